"""Leases, exemptions and pauses in force: what the store has, in the journal that the workers read.

A change is committed, put into the journal and told to the workers, in this order; a flood of changes shares the
telling. What is over is ended here for the record: the workers know the times by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from admin_api.outbox.receivers import Outbox
from admin_api.store import exemptions, leases, pauses
from admin_api.store.access import StoreAccess
from admin_api.store.change import Change
from admin_api.store.errors import StoreAway
from admin_api.store.room import check_room
from admin_api.subjects.rows import exemption_of, lease_of, pause_of
from resolver.errors import MoatdnsError, SubjectsError
from resolver.policy.moments import End
from resolver.policy.subjects import Plain, Subject, Subjects, dropped
from resolver.snapshot.clocks import ClockWatch, now
from resolver.snapshot.journal_places import Position, newest
from resolver.snapshot.subjects_file import Journal, subjects_at
from resolver.telemetry.log import Log

PATIENCE_SECONDS = 10.0  # how long a caller is let wait for its change
_LOOK_SECONDS = 0.25
_PENDING_SECONDS = 5.0  # how often what is pending is looked through for what is over
_TIDY_SECONDS = 3600.0
_RETRY_SECONDS = 1.0
_OUTDATED_LINES = 10_000  # beside two a subject; beyond, the journal is begun anew
_SAME_SECONDS = 0.001
_ACTOR = "moatdns"

_WAITING = ("pending", "suspended")  # statuses of what is not in force, and lapses all the same

Publish = Callable[[Position], Awaitable[None]]


@dataclass(slots=True)
class SubjectChange:
    """An open change. What is put and dropped comes in force after its commit; `number` is then what to wait for."""

    store: Change
    number: int = 0
    put: list[Subject] = field(default_factory=list)
    drop: list[Subject] = field(default_factory=list)
    tell: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)  # events for webhooks


class SubjectKeeper:
    """The one that brings them in force."""

    def __init__(
        self,
        access: StoreAccess,
        state_dir: Path,
        publish: Publish,
        log: Log,
        *,
        history_days: int,
        outbox: Outbox,
    ) -> None:
        """`publish` has every worker read on, and raises MoatdnsError when that fails."""
        self._access = access
        self._state_dir = state_dir
        self._publish = publish
        self._log = log
        self._outbox = outbox
        self._history = timedelta(days=history_days)
        self.subjects = Subjects()
        self.trouble: str | None = None
        self.loaded = asyncio.Event()
        self._journal: Journal | None = None
        self._turn = asyncio.Lock()
        self._ends: list[tuple[float, str, str]] = []  # a heap: seconds since the machine's start, what, key
        self._watch = ClockWatch()
        self._written = 0  # changes
        self._in_force = 0
        self._is_unsure = False  # whether the store may have more than is known here
        self._changed = asyncio.Event()
        self._came_in_force = asyncio.Condition()

    async def run(self) -> None:
        """Keep them in force, for ever."""
        await self._again(self._load)
        self.loaded.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_for_ever())
            tasks.create_task(self._end_for_ever())

    @contextlib.asynccontextmanager
    async def change(
        self, actor: str, request_id: str | None = None, *, synced: bool = True
    ) -> AsyncIterator[SubjectChange]:
        """A change of the store, and of what is in force; `synced` as the store has it. Raises StoreAway."""
        if self._journal is None:
            raise StoreAway("leases and exemptions have not been read yet; try again soon")
        async with self._access.store.turn(self._turn, actor) as since:
            try:
                async with self._access.store.change(actor, request_id, synced=synced, since=since) as change:
                    changing = SubjectChange(change)
                    yield changing
                    if changing.put:
                        check_room(self._state_dir)  # the journal is there, too
                    for what, data in changing.tell:
                        await self._outbox.put(change.connection, what, data)
                await self._apply(changing)
            except asyncio.CancelledError:  # the call took too long: its change may be committed all the same
                self._is_unsure = True
                self._changed.set()
                raise

    def holds(self, what: str, key: str) -> bool:
        """Whether something has not ended, by either clock."""
        subject = self.subjects.find(what, key)
        return subject is not None and subject.ends.seconds_left(now()) > 0

    async def wait_until_in_force(self, number: int) -> bool:
        """Wait until every worker has that change or a later one; False when it takes unreasonably long."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._came_in_force:
                await self._came_in_force.wait_for(lambda: self._in_force >= number)
        except TimeoutError:
            return False
        return True

    async def begin_anew(self) -> bool:
        """Have the journal, and the file before it, hold only what is in force; False where workers are slow to follow.

        Raises StoreAway where it cannot be written.
        """
        for _ in range(2):  # a file is removed when no worker can be reading it any more
            async with self._turn:
                try:
                    await self._begin_journal()
                except SubjectsError as error:
                    self._in_trouble(error)
                    raise StoreAway(str(error)) from error
                self._written += 1
                number = self._written
                self._changed.set()
            if not await self.wait_until_in_force(number):
                return False
        return True

    def reload(self) -> None:
        """Have the store looked at anew: another process has changed what it says."""
        self._is_unsure = True
        self._changed.set()

    async def close(self) -> None:
        """End the journal."""
        if self._journal is not None:
            self._journal.close()

    async def _apply(self, changing: SubjectChange) -> None:
        records: list[Plain] = [dropped(subject) for subject in changing.drop]
        records += [subject.to_plain() for subject in changing.put]
        if not records:
            changing.number = self._written
            return
        for record in records:
            self.subjects.apply(record)
        for subject in changing.put:
            self._mind(subject)
        journal = self._journal
        try:
            if journal is None or journal.lines > 2 * len(self.subjects) + _OUTDATED_LINES:
                await self._begin_journal()
            else:
                await asyncio.to_thread(journal.append, records)
        except SubjectsError as error:
            self._in_trouble(error)
        self._written += 1  # not before it is in the journal: what is being published may lack it
        changing.number = self._written
        self._changed.set()

    async def _begin_journal(self) -> Journal:
        """A new file. Raises SubjectsError."""
        journal = await asyncio.to_thread(Journal.begin, self._state_dir, list(self.subjects))
        if self._journal is not None:
            self._journal.close()
        self._journal = journal
        return journal

    async def _load(self) -> None:
        """Take over what the store has, with the ends that the last journal reckoned. Raises MoatdnsError."""
        moment = now()
        before = Subjects()
        gone: set[tuple[str, str]] = set()
        path = newest(self._state_dir)
        if path is not None:
            try:
                before, reader = await asyncio.to_thread(subjects_at, path, None, moment)
                gone = reader.dropped
            except SubjectsError as error:
                self._log.error("the journal of leases and exemptions is written anew", why=str(error))
        async with self._access.store.read() as connection:
            found: list[Subject] = [lease_of(row, moment) for row in await leases.all_leases(connection)]
            found += [
                exemption_of(row, moment) for row in await exemptions.opened(connection) if row.status == "active"
            ]
            found += [pause_of(row, moment) for row in await pauses.all_pauses(connection)]
        ends = {(one.to_plain()[0], one.key): one.ends for one in before}
        subjects: list[Subject] = []
        for subject in found:
            key = (subject.to_plain()[0], subject.key)
            end = subject.ends
            known = ends.get(key, end)
            if key in gone and key[0] != "lease":  # it ended, and does not begin again
                end = End(end.wall, moment.boot, moment.boot)
            elif abs(known.wall - end.wall) < _SAME_SECONDS:
                end = known
            subjects.append(replace(subject, ends=end))
        self.subjects = Subjects(subjects)
        self._reckon()
        await self._begin_journal()
        self._written += 1
        self._changed.set()

    async def _publish_for_ever(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                if self._is_unsure:
                    async with self._turn:
                        await self._load()
                        self._is_unsure = False
                written, journal = self._written, self._journal
                if self.trouble is not None or journal is None:
                    async with self._turn:
                        journal = await self._begin_journal()
                        written = self._written
                await self._publish(journal.position)
            except MoatdnsError as error:
                self._in_trouble(error)
                self._changed.set()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self.trouble = None
            async with self._came_in_force:
                self._in_force = written
                self._came_in_force.notify_all()

    def _in_trouble(self, error: MoatdnsError) -> None:
        if self.trouble != str(error):
            self._log.error("leases and exemptions are not up to date in every worker", why=str(error))
        self.trouble = str(error)

    async def _end_for_ever(self) -> None:
        """Note what is over."""
        turns = 0
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            turns += 1
            if self._watch.look():
                self._reckon()
            over = self._over()
            if over or turns % int(_PENDING_SECONDS / _LOOK_SECONDS) == 0:
                await self._again(lambda over=over: self._end(over))  # type: ignore[misc]
            if turns % int(_TIDY_SECONDS / _LOOK_SECONDS) == 1:
                await self._again(self._tidy)

    def _mind(self, subject: Subject) -> None:
        moment = now()
        ends = moment.boot + subject.ends.seconds_left(moment)
        heapq.heappush(self._ends, (ends, subject.to_plain()[0], subject.key))
        if len(self._ends) > 2 * len(self.subjects) + _OUTDATED_LINES:
            self._reckon()

    def _reckon(self) -> None:
        """When each ends, by the clocks as they are now."""
        moment = now()
        self._ends = [
            (moment.boot + subject.ends.seconds_left(moment), subject.to_plain()[0], subject.key)
            for subject in self.subjects
        ]
        heapq.heapify(self._ends)

    def _over(self) -> list[Subject]:
        moment = now()
        over = []
        while self._ends and self._ends[0][0] <= moment.boot:
            _, what, key = heapq.heappop(self._ends)
            subject = self.subjects.find(what, key)
            if subject is not None and subject.ends.seconds_left(moment) <= 0:
                over.append(subject)
        return over

    async def _end(self, over: list[Subject]) -> None:
        """End what is over, and what is pending for too long, in the store and the journal. Raises StoreAway."""
        at = datetime.now(UTC)
        kinds: dict[str, list[str]] = {"lease": [], "exemption": [], "pause": []}
        for subject in over:
            kinds[subject.to_plain()[0]].append(subject.key)
        async with self._access.store.read() as connection:
            opened = {row.id: row for row in await exemptions.opened(connection)}
        late = [row.id for row in opened.values() if row.status in _WAITING and row.expires_at <= at]
        if not over and not late:
            return
        async with self.change(_ACTOR, synced=bool(late) or len(kinds["lease"]) < len(over)) as changing:
            conn = changing.store.connection
            for first in range(0, len(kinds["lease"]), 500):
                rows = await leases.at(conn, kinds["lease"][first : first + 500])
                ended = [row for row in rows.values() if self._is_over("lease", row.address)]
                await leases.end(changing.store, ended, "expired")
            for number in (*kinds["exemption"], *late):
                row = await exemptions.get(conn, number)
                if row.status in _WAITING or (row.status == "active" and self._is_over("exemption", number)):
                    await exemptions.move(changing.store, row, "expire", owner=_ACTOR, ended_at=min(at, row.expires_at))
            ids = set(kinds["pause"])
            for pause in await pauses.all_pauses(conn):
                if pause.id in ids:
                    await pauses.end(changing.store, pause, "expire")
            changing.drop += [one for one in over if self._is_over(one.to_plain()[0], one.key)]

    def _is_over(self, what: str, key: str) -> bool:
        """Whether it still is: it may have been renewed meanwhile."""
        subject = self.subjects.find(what, key)
        return subject is not None and subject.ends.seconds_left(now()) <= 0

    async def _tidy(self) -> None:
        async with self._access.store.count() as connection:
            await leases.forget_history(connection, datetime.now(UTC) - self._history)

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again until it succeeds."""
        why = None
        while True:
            try:
                await work()
            except MoatdnsError as error:
                if str(error) != why:
                    self._log.error("leases and exemptions wait for the store", why=str(error))
                why = str(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return
