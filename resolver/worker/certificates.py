"""The certificates of a worker's DoT and DoH: read at its start, when that is ordered, and until there is any."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from resolver.errors import ListenError
from resolver.system.channel import MessageChannel
from resolver.worker.messages import CertificateFound, CertificateUnusable

if TYPE_CHECKING:
    from resolver.listeners.encrypted import EncryptedListeners

_AGAIN_SECONDS: Final = 1.0  # while there is none


class Certificates:
    """Readings of certificates, beside the loop and one after the other. No order and no sign of life waits for one."""

    def __init__(self, channel: MessageChannel, encrypted: EncryptedListeners) -> None:
        self._channel = channel
        self._encrypted = encrypted
        self._asked = asyncio.Event()

    async def read(self) -> None:
        """Read them. What is wrong with them is told, and the old ones stay in force."""
        try:
            await asyncio.to_thread(self._encrypted.renew)
        except ListenError as error:
            self._channel.tell(CertificateUnusable(str(error), self._encrypted.are_open))
        await self._encrypted.look_at_clients()

    def ask(self) -> None:
        """Have them read soon: once more, if that has been asked meanwhile, since files may have changed."""
        self._asked.set()

    async def run(self) -> None:
        """Read them when asked to, and again and again while there is no usable one, for ever."""
        while True:
            if self._encrypted.are_open:
                await self._asked.wait()
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN_SECONDS):
                        await self._asked.wait()
            if self._asked.is_set():
                self._asked.clear()
                await self.read()
            else:
                await self._look_for_one()

    async def _look_for_one(self) -> None:
        """See whether there is one by now: it may come later than we do."""
        with contextlib.suppress(ListenError):
            await asyncio.to_thread(self._encrypted.renew)
            self._channel.tell(CertificateFound())
