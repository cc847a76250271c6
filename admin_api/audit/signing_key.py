"""The signing key, watched: which one it is stands in the audit trail, and one that was lost is not replaced silently.

A key that is missing where one was known is made anew, so that evidence goes on, and told in the log, in the trail and
for a day as a trouble: whoever verifies trusts the old one alone, until somebody tells him.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.signed.files import fingerprint_of
from admin_api.signed.keys import key_file, read_public
from admin_api.signed.signer import Signer
from admin_api.store import documents
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from blocklists.feed.minisign import PublicKey
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

OBJECT: Final = "signing-key"
"""The key's name in the audit trail."""

TOLD_FOR: Final = timedelta(days=1)
"""For so long a key that was made anew is a trouble of the node."""

_DOCUMENT = "signing-key"
_ACTOR = "moatdns"
_LOOK_SECONDS = 5.0

_Stamp = tuple[int, int, int]  # of a file: its inode, time and size


async def is_key_known(conn: AsyncConnection) -> bool:
    """Whether a signing key stands in the audit trail: then another is made by the running server alone."""
    return await documents.get(conn, _DOCUMENT) is not None


class SigningKeyWatch:
    """The one that watches. What whoever verifies has to be told is the signer's warning, and so a trouble."""

    def __init__(
        self,
        access: StoreAccess,
        signing: Signer,
        log: Log,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._access = access
        self._signing = signing
        self._log = log
        self._clock = clock
        self._path = key_file(signing.configured, signing.state_dir)
        self._seen: _Stamp | None = None  # of the file as it was read last
        self._noted: Mapping[str, Any] | None = None  # the key that the store knows
        self._missing: str | None = None

    async def run(self) -> None:
        """Look at the key's file again and again, for ever."""
        while True:
            with contextlib.suppress(StoreAway):
                await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Note another key than the one that is known, and make one where that is missing. Raises StoreAway."""
        await self._look()
        self._signing.warning = self._missing or self._of_new_key()

    def _of_new_key(self) -> str | None:
        """For a day after a key was made anew, that it was."""
        noted = self._noted
        if noted is None or not noted["anew"] or self._clock() - datetime.fromisoformat(noted["since"]) >= TOLD_FOR:
            return None
        return (
            f"the key that signs evidence was made anew at {noted['since']}, since {self._path} was missing: put the "
            f"old one ({noted['was']}) back, or tell the new one ({noted['fingerprint']}) to whoever verifies"
        )

    async def _look(self) -> None:
        if self._noted is None:
            async with self._access.store.read() as connection:
                self._noted = await documents.get(connection, _DOCUMENT)
        self._signing.makes_key = self._noted is None
        stamp = await asyncio.to_thread(self._stamp)
        if stamp is None and self._noted is not None and not await self._made_anew():
            return
        if stamp is not None and stamp == self._seen:
            return
        key = await asyncio.to_thread(self._read)
        if key is not None:
            await self._note(key, was_missing=stamp is None)
        self._seen = stamp

    async def _made_anew(self) -> bool:
        """Make a key in the place of one that is missing; False where it is not ours to make, or cannot be made."""
        try:
            if self._signing.configured is None:
                await self._signing.make_key()
                return True
            why = f"the key that signs evidence, {self._path}, is missing"
        except MoatdnsError as error:
            why = str(error)
        self._seen = None
        if why != self._missing:
            self._log.error("the signing key is missing", why=why)
        self._missing = why
        return False

    async def _note(self, key: PublicKey, *, was_missing: bool) -> None:
        """Write a key into the audit trail, if it is another than the one that is known there."""
        self._missing = None
        noted, fingerprint = self._noted, fingerprint_of(key)
        if noted is not None and noted["fingerprint"] == fingerprint:
            return
        was = None if noted is None else noted["fingerprint"]
        facts = {"fingerprint": fingerprint, "key": key.line, "file": str(self._path)}
        anew = was_missing and noted is not None
        since = self._clock().isoformat(timespec="seconds").replace("+00:00", "Z")
        action = "create" if noted is None else "make anew" if anew else "replace"
        async with self._access.store.change(_ACTOR) as change:
            change.record(action, OBJECT, None if was is None else {"fingerprint": was}, facts)
            now = {**facts, "since": since, "was": was, "anew": anew}
            await documents.put(change.connection, _DOCUMENT, now)
        self._noted, self._signing.makes_key = now, False
        if noted is None:
            self._log.info("the key that signs evidence is known", **facts)
        elif anew:
            self._log.error("the signing key was missing, and is made anew: tell those who verify", was=was, **facts)
        else:
            self._log.warning("the signing key is another one: tell those who verify", was=was, **facts)

    def _stamp(self) -> _Stamp | None:
        """The file as it is now; None where it is missing."""
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError:  # of a folder that we may not look into, for one: reading it says why
            return 0, 0, 0
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    def _read(self) -> PublicKey | None:
        """The public half of the key, as the file has it; None where it cannot be read, which signing tells."""
        try:
            return read_public(self._path, is_ours=self._path.parent == self._signing.state_dir)
        except MoatdnsError:
            return None
