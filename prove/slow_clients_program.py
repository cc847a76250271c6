"""Clients that are slow on purpose: ``python -m prove.slow_clients_program JSON``; see `prove.slow_clients`.

A process of its own, so that their work delays nobody who measures. It goes on until SIGTERM; then it prints as JSON
how often one of them was `ended`, and `most_open` of their connections at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import ssl
import sys
from typing import Any

from tests.support.encrypted import SERVER_NAME

_BACK_AFTER_SECONDS = 2.0
_ADDRESSES = 20
_DRIP_SECONDS = 1.0
_HALF_A_QUERY = b"\x40\x00" + b"x" * 10_000
_HALF_A_HANDSHAKE = b"\x16\x03\x01\x02\x00" * 99
_HALF_A_REQUEST = b"POST /dns-query HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 10_000


class SlowClients:
    """So many of each kind; all counts are over the whole run."""

    def __init__(self, behaviour: dict[str, Any]) -> None:
        self.ended = 0
        self.most_open = 0
        self._open = 0
        self._of_each: int = behaviour["of_each"]
        self._context = ssl.create_default_context(cafile=behaviour["authority"])
        dot = behaviour["dot"]
        self._kinds = (
            itertools.repeat((behaviour["do53"], False, _HALF_A_QUERY)),
            itertools.cycle([(dot, True, _HALF_A_QUERY), (dot, False, _HALF_A_HANDSHAKE)]),
            itertools.repeat((behaviour["doh"], True, _HALF_A_REQUEST)),
        )

    async def run(self) -> None:
        """Go on until SIGTERM."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # connections that are reset are what is wanted
        clients = (self._client(n, *next(kind)) for n in range(self._of_each) for kind in self._kinds)
        all_of_them = asyncio.gather(*clients)
        loop.add_signal_handler(signal.SIGTERM, all_of_them.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await all_of_them

    async def _client(self, number: int, port: int, with_tls: bool, said: bytes) -> None:
        address = f"127.0.1.{1 + number % _ADDRESSES}"
        await asyncio.sleep(number / self._of_each * _BACK_AFTER_SECONDS)
        while True:
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
                await self._talk(address, port, with_tls, said)
            self.ended += 1
            await asyncio.sleep(_BACK_AFTER_SECONDS)

    async def _talk(self, address: str, port: int, with_tls: bool, said: bytes) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            port,
            local_addr=(address, 0),
            ssl=self._context if with_tls else None,
            server_hostname=SERVER_NAME if with_tls else None,
        )
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        try:
            for octet in said:
                writer.write(bytes((octet,)))
                with contextlib.suppress(TimeoutError):
                    if not await asyncio.wait_for(reader.read(100), _DRIP_SECONDS):
                        return
        finally:
            self._open -= 1
            writer.transport.abort()


def main(behaviour: dict[str, Any]) -> str:
    """Run; what it came to, as JSON."""
    clients = SlowClients(behaviour)
    asyncio.run(clients.run())
    return json.dumps({"ended": clients.ended, "most_open": clients.most_open})


if __name__ == "__main__":
    print(main(json.loads(sys.argv[1])), flush=True)
