"""Erase a client or a person from the query log: told in the audit trail, noted in the journal, done, and again if
need be.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from admin_api.editing.common import Said, read_address, read_said, validated
from admin_api.people.obstacles import StandsInTheWay, refuse_held
from admin_api.query_log import files
from admin_api.query_log.erased import (
    EVENT,
    MOST_ERASURES,
    ErasureNote,
    matcher,
    read_erasures,
    write_erasures,
)
from admin_api.query_log.erasing import ErasureUnfinished, IsTheirs, QueryLogEnded
from admin_api.query_log.sought import sought_for
from admin_api.query_log.writer import QueryLogWriter
from admin_api.store import audit
from admin_api.store.access import StoreAccess
from admin_api.store.columns import iso_text
from admin_api.store.errors import NotFound, StoreAway
from resolver.config import fields
from resolver.config.section import Section
from resolver.config.wording import shown
from resolver.errors import MoatdnsError, RuleError
from resolver.telemetry.log import Log
from resolver.telemetry.pseudonyms import What, is_pseudonym

ERASE: Final = ("erase", "queries")
"""Action and object of the audit row."""

_PATIENCE_SECONDS = 45.0  # that a caller is let wait
_TROUBLE = "a client could not be erased from the query log; it is tried again at the next start"


@dataclass(frozen=True, slots=True)
class ErasedClient:
    """Result of an erasure. `queries` is None while it goes on; `erased` is whom the journal and the trail name."""

    erased: str
    queries: int | None
    is_over: bool  # with no octet left in a write-ahead log that a reader keeps


def read_client(text: str) -> str:
    """An address, a network or a pseudonym, as rows of the query log have it. Raises RuleError."""
    with contextlib.suppress(RuleError):
        return read_address(text)
    if is_pseudonym(text):
        return text
    try:
        return str(ip_network(text))
    except ValueError:
        why = "is not an IP address, nor a network or a pseudonym as rows of the log have it"
        raise RuleError(f"{shown(text)} {why}") from None


class _Body(Section):
    client: Annotated[str, fields.reading(read_client)] | None = None
    identity: Annotated[str, fields.reading(read_said), Field(max_length=200)] | None = None
    reason: Said

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.client is None) == (self.identity is None):
            fields.raise_mistakes([fields.mistake("needs exactly one of client and identity", None)])
        return self


class ClientErasures:
    """The one that erases. It has a query log from `start` on.

    `forgotten` counts erasures that the journal had no room for any more; `steps` those that were begun, and ended.
    """

    def __init__(
        self,
        access: StoreAccess,
        state_dir: Path,
        log: Log,
        *,
        most: int = MOST_ERASURES,
        holds: Sequence[str] = (),
    ) -> None:
        """The journal has at most so many; `holds` are identities of whom nothing may be erased."""
        self.forgotten = 0
        self.steps = 0
        self._most = most
        self._holds = holds
        self._access = access
        self._state_dir = state_dir
        self._log = log
        self._writer: QueryLogWriter | None = None
        self._turn = asyncio.Lock()  # of who writes the journal
        self._tasks: set[asyncio.Task[ErasedClient]] = set()

    def start(self, writer: QueryLogWriter) -> None:
        """Begin with what an earlier process did not finish."""
        self._writer = writer
        self._spawn(self._resume())

    async def close(self) -> None:
        """Wait for what is being done: its writer has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def erase(self, body: Mapping[str, Any], *, actor: str, request_id: str | None = None) -> ErasedClient:
        """Erase the client or the person of a body.

        Raises Invalid, NotFound where no query log is kept, StandsInTheWay for a legal hold, StoreAway where nothing
        can be kept, or pseudonyms not be reckoned.
        """
        wanted = validated(_Body, body)
        if self._writer is None:
            raise NotFound("query log: query_log.enabled is false")
        what: What = "client" if wanted.client is not None else "identity"
        try:
            if wanted.identity is not None:
                await asyncio.to_thread(refuse_held, self._holds, self._state_dir, wanted.identity)
            one = await asyncio.to_thread(sought_for, self._state_dir, what, wanted.client or wanted.identity or "")
        except StandsInTheWay:
            raise
        except MoatdnsError as error:
            raise StoreAway(f"nothing is erased, since pseudonyms cannot be found: {error}") from None
        digest, *others = one.digests(self._access.store.audit_key)
        told = {"erased": digest, **({"pseudonyms": others} if others else {}), "reason": wanted.reason}
        async with self._access.store.change(actor, request_id) as change:
            change.record(*ERASE, None, told)
        return await self.carry_out((digest, *others), one.is_in)

    async def carry_out(self, digests: Sequence[str], is_theirs: IsTheirs) -> ErasedClient:
        """Note those whom the digests mean in the journal, and take them out of the log, as far as it is kept.

        What is left of a log that is no longer written waits in the journal until it is. Raises StoreAway.
        """
        asked = iso_text(datetime.now(UTC))
        notes = [ErasureNote(each, asked) for each in digests]
        await self._note(notes)
        if self._writer is None:
            is_over = not await asyncio.to_thread(files.days, self._state_dir / files.FOLDER)
            if is_over:
                await self._note([ErasureNote(note.digest, note.asked, iso_text(datetime.now(UTC))) for note in notes])
            return ErasedClient(digests[0], 0 if is_over else None, is_over=is_over)
        task = self._spawn(self._work(notes, is_theirs))
        done, _ = await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
        return task.result() if done else ErasedClient(digests[0], None, is_over=False)

    async def _resume(self) -> ErasedClient:
        left = [note for note in await asyncio.to_thread(read_erasures, self._state_dir) if not note.done]
        key = await asyncio.to_thread(audit.load_key, self._state_dir)
        if not left or key is None:
            return ErasedClient("", 0, is_over=True)
        return await self._work(left, matcher(key, {note.digest for note in left}))

    async def _work(self, notes: list[ErasureNote], is_theirs: IsTheirs) -> ErasedClient:
        """Erase, and say so in the journal and the log. Raises StoreAway."""
        if self._writer is None:
            raise StoreAway(_TROUBLE)
        is_over = True
        try:
            gone = await self._writer.take_out(is_theirs)
        except ErasureUnfinished as error:  # the rows are gone
            gone, is_over = error.gone, False
        except (sqlite3.Error, OSError, QueryLogEnded) as error:
            self._log.error(_TROUBLE, why=str(error))
            raise StoreAway(f"{_TROUBLE} ({error})") from error
        done = iso_text(datetime.now(UTC))
        await self._note([ErasureNote(note.digest, note.asked, done) for note in notes])
        for note in notes:
            self._log.info(EVENT, erased=note.digest, asked=note.asked, done=done, queries=gone)
        return ErasedClient(notes[0].digest, gone, is_over=is_over)

    async def _note(self, notes: Sequence[ErasureNote]) -> None:
        """Put them into the journal. Raises StoreAway."""
        async with self._turn:
            try:
                forgotten = await asyncio.to_thread(self._write, notes)
            except OSError as error:
                raise StoreAway(f"the journal of erasures cannot be written: {error.strerror}") from error
        self.steps += 1
        self.forgotten += forgotten
        if forgotten:
            self._log.warning("the journal of erasures is full: its oldest are forgotten", forgotten=forgotten)

    def _write(self, notes: Sequence[ErasureNote]) -> int:
        return write_erasures(self._state_dir, [*read_erasures(self._state_dir), *notes], self._most)

    def _spawn(self, work: Coroutine[Any, Any, ErasedClient]) -> asyncio.Task[ErasedClient]:
        task = asyncio.create_task(work, name="erasure from the query log")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[ErasedClient]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error(_TROUBLE, why=str(error))
