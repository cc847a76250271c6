"""The audit trail's head, noted where whoever changes the store cannot: in the log, and in a file in state_dir.

A trail whose end was cut off still holds together; `moatdns audit verify` sees the cut by the heads noted here. Before
one is noted, those before it have to be there still, each with its mac: a loss is told until an admin acknowledges it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from admin_api.audit.signed_head import FORMAT, head_content
from admin_api.audit.walking import TrailWalker
from admin_api.signed.signer import Signer
from admin_api.store import audit, trail
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.heads import HEAD_FILE, MOST_HEADS, Head, append_head, read_heads
from admin_api.store.store import Store
from resolver.errors import MoatdnsError
from resolver.system.state_files import write_whole
from resolver.telemetry.log import Log

SIGNED_FILE: Final = "audit.head.signed"
"""Below state_dir: the last head that was signed, to be copied elsewhere."""

_SIGNED_SECONDS = 3600.0  # between heads that are signed
_EVERY_SECONDS = 60.0  # a line in the log, and a look at all heads
_LOOK_SECONDS = 1.0  # for rows that this process wrote


class HeadKeeper:
    """The one that notes heads, and has all rows looked at."""

    def __init__(self, access: StoreAccess, state_dir: Path, log: Log, signing: Signer | None = None) -> None:
        self._loss: str | None = None
        self.lost: list[trail.Pair] = []  # heads that are gone, and that nobody has acknowledged
        self.heads = 0  # how many are noted
        self._access = access
        self._state_dir = state_dir
        self._log = log
        self._signing = signing
        self._sign_next = time.monotonic() + _EVERY_SECONDS
        self._noted_at = -1  # `audited` of the store as of the last note
        self._turn = asyncio.Lock()
        self._walker = TrailWalker(log)

    @property
    def trouble(self) -> str | None:
        """That rows are gone, or changed; None while none are known to be."""
        return self._loss or self._walker.trouble

    async def run(self) -> None:
        """Note the head whenever it moves, and look at all each minute, for ever."""
        last = -_EVERY_SECONDS
        while True:
            is_due = time.monotonic() - last >= _EVERY_SECONDS
            with contextlib.suppress(StoreAway):
                # While rows are gone, an admin may acknowledge that on the command line.
                if is_due or self.lost or self._access.store.audited != self._noted_at:
                    await self.note(says_so=is_due)
                await self._walker.look(self._access.store)
            if is_due:
                last = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)

    async def note(self, *, says_so: bool = False) -> None:
        """Look whether the noted heads are there, and note the head as it is. Raises StoreAway."""
        async with self._turn:
            store = self._access.store
            audited = store.audited
            try:
                heads = await asyncio.to_thread(read_heads, self._state_dir)
            except StoreAway as error:
                self._loss = str(error)
                raise
            # Between the minutes, the newest, and what is known to be gone: a head vouches for all before it.
            some = {head.pair for head in (heads if says_so else heads[-1:])} | set(self.lost)
            head = await self._look(store, some)
            self.heads = len(heads)
            if says_so:
                self._log.info("audit head", row=head.row, mac=head.mac)
                await self._sign(head)
            if head.row and (not heads or heads[-1] != head):
                await self._append(head)
            self._noted_at = audited

    async def _sign(self, head: Head) -> None:
        """Sign the head now and then, for the log and for a file: either can be kept off this machine."""
        if self._signing is None or not head.row or time.monotonic() < self._sign_next:
            return
        self._sign_next = time.monotonic() + _SIGNED_SECONDS
        try:
            whole = await self._signing.sign(FORMAT, head_content(head, datetime.now(UTC)))
            text = json.dumps(whole, separators=(",", ":"))
            await asyncio.to_thread(write_whole, self._state_dir / SIGNED_FILE, f"{text}\n".encode())
        except (MoatdnsError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._log.error("the audit trail's head is not signed", why=why)
        else:
            self._log.info("signed audit head", row=head.row, signed=text)

    async def _look(self, store: Store, noted: Collection[trail.Pair]) -> Head:
        async with store.read() as connection:
            row, mac = await audit.head(connection)
            lost = await trail.lost_heads(connection, store.audit_key, noted)
        if lost and lost != self.lost:
            self._log.error(
                "the audit trail was cut off or replaced", rows=row, lost_rows=[number for number, _ in lost][-20:]
            )
        self.lost = lost
        self._loss = trail.told_of_loss(lost) if lost else None
        return Head(row, mac, store.id)

    async def _append(self, head: Head) -> None:
        if len(self.lost) >= MOST_HEADS:  # all that the file holds is evidence
            return
        try:
            await asyncio.to_thread(append_head, self._state_dir, head, frozenset(self.lost))
            self.heads += 1
        except OSError as error:
            file = str(self._state_dir / HEAD_FILE)
            self._log.error("the audit trail's head cannot be noted", file=file, why=error.strerror)


def noted_heads(state_dir: Path, log_file: Path | None) -> list[tuple[int, str]]:
    """Every head that was noted: in the state directory, and in a log of the server's (JSON lines), where one is given.

    Raises MoatdnsError when the log cannot be read.
    """
    heads = [head.pair for head in read_heads(state_dir)]
    if log_file is None:
        return heads
    try:
        with log_file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if '"audit head"' in line:
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        event = json.loads(line[line.index("{") :])
                        heads.append((int(event["row"]), str(event["mac"])))
    except OSError as error:
        raise MoatdnsError(f"{log_file}: cannot be read: {error.strerror}") from error
    return heads
