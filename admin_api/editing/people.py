"""Erase a person from all that the node keeps: workers' counts, the store, the query log, and octets left in files.

The store's part is one change with its audit row, so that a process that is killed has erased all of it or nothing; the
query log's part is in the journal of erasures, and goes on at the next start. To erase once more is harmless, and does
what a killed process has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from admin_api.editing.common import Said, read_said, validated
from admin_api.editing.erasures import ClientErasures
from admin_api.editing.errors import Invalid
from admin_api.people.export import Export
from admin_api.people.obstacles import StandsInTheWay, obstacles, refuse_held
from admin_api.people.person import Person, person_of
from admin_api.people.reach import out_of_reach
from admin_api.people.rows import ERASE, TakenOut, take_out
from admin_api.query_log.reader import QueryLogReader
from admin_api.statistics.service import StatisticsService
from admin_api.store import change_requests
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway, StoreError
from admin_api.store.naming import Naming
from admin_api.subjects.keeper import SubjectKeeper
from resolver.config import fields
from resolver.config.section import Section
from resolver.config.settings import ControlSettings
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log
from resolver.telemetry.pseudonyms import is_pseudonym

_PATIENCE_SECONDS = 30.0  # that a caller is let wait behind the store's part
_TROUBLE = "a person is erased from the store, and not yet from all files: erase again"


class PersonBody(Section):
    """A person, and why they are looked at or erased."""

    identity: Annotated[str, fields.reading(read_said), Field(max_length=200)]
    reason: Said


def read_person(body: Mapping[str, Any]) -> PersonBody:
    """The person of a body, in whose reason no name stands: it stays in the trail. Raises Invalid."""
    wanted = validated(PersonBody, body)
    if is_pseudonym(wanted.identity):
        raise Invalid([("/identity", "is a pseudonym: give the identity, whose pseudonyms are found by it")])
    try:
        naming = Naming(wanted.identity)
    except ValueError:
        raise Invalid([("/identity", "shows nothing: give the identity as leases or certificates have it")]) from None
    if naming.is_in(wanted.reason):
        raise Invalid([("/reason", "names the person, and stays in the audit trail: say why without the name")])
    return wanted


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """Result of an erasure. `erased` is whom the journal and the trail name, a digest.

    `queries` is None while the query log is worked on. `is_over`: no file of this node has an octet left, beside what
    `not_reached` says.
    """

    erased: str
    taken_out: TakenOut
    queries: int | None
    not_reached: list[str]
    is_over: bool


class PersonErasures:
    """The one that erases persons, one after the other."""

    def __init__(
        self,
        access: StoreAccess,
        settings: ControlSettings,
        erasures: ClientErasures,
        statistics: StatisticsService,
        subjects: SubjectKeeper,
        begin_counters: Callable[[], Awaitable[None]],
        log: Log,
    ) -> None:
        """`begin_counters` has every worker count in a new file, and raises MoatdnsError where that fails."""
        self._access = access
        self._settings = settings
        self._state_dir = Path(settings.state_dir)
        self._reader = QueryLogReader(self._state_dir)  # of all that is recorded, whatever the config shows by now
        self._erasures = erasures
        self._statistics = statistics
        self._subjects = subjects
        self._begin_counters = begin_counters
        self._log = log
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[_Finished]] = set()

    async def close(self) -> None:
        """Leave what is being done to the next erasure: the query log's part is in the journal."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def erase(self, body: Mapping[str, Any], *, actor: str, request_id: str | None = None) -> ErasedPerson:
        """Erase the person of a body. Raises Invalid, StandsInTheWay, StoreAway."""
        wanted = read_person(body)
        identity = wanted.identity
        async with self._turn:
            try:
                await asyncio.to_thread(refuse_held, self._settings.legal_holds, self._state_dir, identity)
                await self._look_for_obstacles(identity)
                await self._statistics.fold_whole(self._begin_counters)
                async with self._access.store.read() as connection:
                    person = await person_of(connection, self._state_dir, identity)
            except StoreError:
                raise
            except MoatdnsError as error:
                raise StoreAway(f"nothing is erased: {error}") from error
            digest, *others = person.digests(self._access.store.audit_key)
            async with self._access.store.change(actor, request_id) as change:
                await change_requests.tidy(change)
                if found := await obstacles(change.connection, person):
                    raise StandsInTheWay(found)
                taken_out = await take_out(change, person)
                told = {"erased": digest, **({"pseudonyms": others} if others else {}), "reason": wanted.reason}
                change.record(*ERASE, None, {**told, "taken_out": asdict(taken_out)})
            async with self._access.store.read() as connection:
                shared = self._access.store.is_shared
                not_reached = await out_of_reach(connection, person, self._settings, shared=shared)
            task = self._spawn(self._finish(person, (digest, *others)))
            done, _ = await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
        if not done:
            return ErasedPerson(digest, taken_out, None, not_reached, is_over=False)
        finished = task.result()
        return ErasedPerson(
            digest, taken_out, finished.queries, [*not_reached, *finished.troubles], is_over=finished.is_over
        )

    async def export(self, body: Mapping[str, Any]) -> Export:
        """All that is kept of the person of a body. Raises Invalid, StoreAway."""
        wanted = read_person(body)
        await self._statistics.fold()
        try:
            async with self._access.store.read() as connection:
                person = await person_of(connection, self._state_dir, wanted.identity)
        except StoreError:
            raise
        except MoatdnsError as error:
            raise StoreAway(f"nothing is exported, since pseudonyms cannot be found: {error}") from error
        return Export(self._access.store, self._reader, person)

    async def _look_for_obstacles(self, identity: str) -> None:
        """Raise StandsInTheWay before anything is done."""
        async with self._access.store.read() as connection:
            found = await obstacles(connection, await person_of(connection, self._state_dir, identity))
        if found:
            raise StandsInTheWay(found)

    async def _finish(self, person: Person, digests: tuple[str, ...]) -> _Finished:
        """The query log, the journal of leases, and free pages of the store's file. Raises StoreAway."""
        of_log = await self._erasures.carry_out(digests, person.is_in)
        troubles = []
        if of_log.queries is None:
            troubles.append("days of the query log that are left, until it is written again, or while it is worked on")
        if not await self._subjects.begin_anew():
            troubles.append("the journal of leases and exemptions, until every worker has the one after it")
        if not self._access.store.is_shared and (why := await self._access.store.rewrite()) is not None:
            troubles.append(f"free pages of the store's file: {why}")
        return _Finished(of_log.queries, troubles, is_over=of_log.is_over and not troubles)

    def _spawn(self, work: Coroutine[Any, Any, _Finished]) -> asyncio.Task[_Finished]:
        task = asyncio.create_task(work, name="erasure of a person")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[_Finished]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error(_TROUBLE, why=str(error))


@dataclass(frozen=True, slots=True)
class _Finished:
    queries: int | None
    troubles: list[str]
    is_over: bool
