"""The recorder: it notes that the node runs, what is in force on it, and what it lacks, so that it can be told later.

What it sees is written within seconds; while the store is away it is remembered, and written once that is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from admin_api.compiling.keeper import NOT_RECORDED, Keeper, PolicyNote
from admin_api.messages import NodeStatus, WorkerStatus
from admin_api.store import periods
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.periods import DEGRADED, POLICY, UNWATCHED, WORKERS, PeriodRow, SpanRow
from resolver import __version__
from resolver.errors import MoatdnsError

LOOK_SECONDS: Final = 5.0
"""Between looks at workers and troubles: what comes and goes between two is not seen.

Each look is a sign of life, too: a crash is known so exactly.
"""

SILENCE_SECONDS: Final = 2 * LOOK_SECONDS
"""Between two looks that are further apart nobody watched, which is told as a gap."""

_TICK_SECONDS = 1.0
_FIRST_SECONDS = 0.2  # between looks for the first worker
_TIDY_SECONDS = 3600.0
_SILENCE = timedelta(seconds=SILENCE_SECONDS)
_MOST_REASONS = 50  # of one span
_LONGEST_REASON = 500  # characters
MORE_REASONS: Final = "further reasons, which are not noted"
_MOST_UNWRITTEN = 1000  # spans that wait for the store; beyond, the oldest are lost, and counted


@dataclass(frozen=True, slots=True)
class Versions:
    """Numbers of the catalogue in force: the bundled one's, and the feed's where one is."""

    bundled: int
    feed: int | None


class Recorder:
    """The one that notes all this, in the store's tables `node_periods` and `node_spans`.

    `lost` counts spans that never got there.
    """

    def __init__(
        self,
        access: StoreAccess,
        keeper: Keeper,
        status: Callable[[], Awaitable[NodeStatus]],
        troubles: Callable[[], Sequence[str]],
        versions: Callable[[], Versions],
        *,
        keeps_days: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`troubles` says why the node is degraded, in finished sentences; none when it is not."""
        self.lost = 0
        self.since: datetime | None = None  # from when on all is known
        self._access = access
        self._keeper = keeper
        self._status = status
        self._troubles = troubles
        self._versions = versions
        self._kept = timedelta(days=keeps_days)
        self._clock = clock
        self._period: PeriodRow | None = None
        self._open: dict[str, SpanRow] = {}  # by kind
        self._unwritten: list[SpanRow] = []  # that have ended
        self._changed: set[str] = set()  # kinds whose open span is not written as it is
        self._heard: deque[tuple[datetime, dict[str, Any]]] = deque(maxlen=_MOST_UNWRITTEN)  # before the period began
        self._looked: datetime | None = None  # when all was looked at last
        keeper.hear = self._hear_policy

    async def run(self, started: float) -> None:
        """Note, for ever. `started` is when the service did, in seconds since 1970."""
        await self._until_served()
        await self._again(lambda: self._begin(started))
        looked = tidied = float("-inf")
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            is_due = now - looked >= LOOK_SECONDS
            if is_due:
                looked = now
                await self.look()
            with contextlib.suppress(StoreAway):
                if now - tidied >= _TIDY_SECONDS:
                    await self._tidy()
                    tidied = now
                if is_due or self._changed or self._unwritten:
                    await self.write()
            await asyncio.sleep(_TICK_SECONDS)

    async def close(self, how: str | None) -> None:
        """Write what is left, and `how` the period ends; None where another process goes on with it."""
        if self._period is None:
            return
        if how is not None:
            now = self._clock()
            for kind in list(self._open):
                self._end(kind, now)
        with contextlib.suppress(StoreAway):
            await self.write(how=how)

    async def look(self) -> None:
        """Look at the workers and at the node's troubles."""
        now = self._clock()
        with contextlib.suppress(MoatdnsError):  # the supervisor is busy: at the next look
            self._note_workers(await self._status(), now)
            if self._looked is not None:
                self._note_silence(self._looked, now)
            self._looked = now
        why = list(self._troubles())
        if not why:
            self._end(DEGRADED, now)
            return
        known = self._open.get(DEGRADED)
        noted: list[str] = list(known.body["why"]) if known is not None else []
        together = _together(noted, why)
        if known is None:
            self._begin_span(DEGRADED, now, {"why": together})
        elif together != noted:
            self._amend(DEGRADED, {"why": together})

    async def write(self, *, how: str | None = None) -> None:
        """Write what changed, with a sign of life: the last look. Raises StoreAway."""
        period = self._period
        if period is None:
            return
        alive = self._clock() if how is not None or self._looked is None else self._looked
        ended_spans, changed = (
            list(self._unwritten),
            {kind: self._open[kind] for kind in self._changed & set(self._open)},
        )
        async with self._access.store.count() as connection:
            await periods.live(connection, period.id, alive, how=how)
            for span in ended_spans:
                await periods.put_span(connection, span)
            written = {kind: await periods.put_span(connection, span) for kind, span in changed.items()}
        del self._unwritten[: len(ended_spans)]
        for kind, span in written.items():
            if self._open.get(kind) is changed[kind]:
                self._open[kind] = span
                self._changed.discard(kind)
            else:  # it went on, or ended, while it was written
                self._adopt_id(kind, changed[kind], span.id)

    async def _until_served(self) -> None:
        """Wait for the first worker: until then nobody is answered, and the node does not run."""
        while True:
            with contextlib.suppress(MoatdnsError):
                if (await self._status()).workers:
                    return
            await asyncio.sleep(_FIRST_SECONDS)

    async def _begin(self, started: float) -> None:
        """Begin a period, or go on with that of the control process before this one. Raises StoreAway."""
        now = self._clock()
        began = datetime.fromtimestamp(started, UTC)
        workers: Sequence[WorkerStatus] = ()
        with contextlib.suppress(MoatdnsError):
            workers = (await self._status()).workers
        if workers:  # they answer since then; one that was replaced meanwhile says less
            began = max(began, min(now, now - timedelta(seconds=max(worker.uptime_seconds for worker in workers))))
        async with self._access.store.count() as connection:
            period = await periods.begun(
                connection,
                node=socket.gethostname() or "-",
                version=__version__,
                started=datetime.fromtimestamp(started, UTC),
                began=began,
            )
            spans = await periods.open_spans(connection, period.id)
            since = await periods.known_since(connection)
        self._period, self.since = period, since
        self._open |= {span.kind: span for span in spans}
        self._note_silence(period.beat, now)
        self._looked = now
        if POLICY not in self._open and (adopted := self._keeper.adopted) is not None:
            self._note_policy(period.began, self._body_of(adopted))
        while self._heard:
            self._note_policy(*self._heard.popleft())

    def _hear_policy(self, note: PolicyNote) -> None:
        if self._period is None:
            self._heard.append((note.at, self._body_of(note)))
        else:
            self._note_policy(note.at, self._body_of(note))

    def _body_of(self, note: PolicyNote) -> dict[str, Any]:
        catalogue: dict[str, Any] = {"fingerprint": note.catalogue}
        if note.catalogue:
            versions = self._versions()
            catalogue |= {"bundled": versions.bundled, "feed": versions.feed}
        lacks = {"lacks": list(note.lacks)} if note.lacks else {}
        return {"revision": note.revision, "snapshot": note.snapshot, "catalogue": catalogue, **lacks}

    def _note_policy(self, at: datetime, body: dict[str, Any]) -> None:
        known = self._open.get(POLICY)
        if known is not None and dict(known.body) == body:
            return
        if (
            known is not None
            and {**known.body, "lacks": None} == {**body, "lacks": None}
            and (known.body.get("lacks") == list(NOT_RECORDED))
        ):  # the same files, of which it is known now what they hold
            self._amend(POLICY, body)
            return
        self._end(POLICY, at)
        self._begin_span(POLICY, at, body)

    def _note_workers(self, status: NodeStatus, now: datetime) -> None:
        """Note workers that are missing of those that the plan has: one may have been missing all along."""
        serving = len(status.workers)
        if serving >= status.slots:
            self._end(WORKERS, now)
            return
        known = self._open.get(WORKERS)
        if known is None:
            self._begin_span(WORKERS, now, {"serving": serving, "of": status.slots})
        elif serving < known.body["serving"]:
            self._amend(WORKERS, {**known.body, "serving": serving})

    def _note_silence(self, since: datetime, now: datetime) -> None:
        """Note that nobody looked meanwhile, where that was longer than between two looks."""
        if now - since > _SILENCE and self._period is not None:
            self._keep(SpanRow(0, self._period.id, UNWATCHED, since, now, {}))

    def _begin_span(self, kind: str, at: datetime, body: dict[str, Any]) -> None:
        self._open[kind] = SpanRow(0, self._period.id if self._period else 0, kind, at, None, body)
        self._changed.add(kind)

    def _amend(self, kind: str, body: dict[str, Any]) -> None:
        self._open[kind] = replace(self._open[kind], body=body)
        self._changed.add(kind)

    def _end(self, kind: str, at: datetime) -> None:
        span = self._open.pop(kind, None)
        self._changed.discard(kind)
        if span is not None:
            self._keep(replace(span, ended=max(at, span.began)))

    def _keep(self, span: SpanRow) -> None:
        """Have a span that is over wait to be written; of too many, the oldest is lost."""
        self._unwritten.append(span)
        if len(self._unwritten) > _MOST_UNWRITTEN:
            del self._unwritten[0]
            self.lost += 1

    def _adopt_id(self, kind: str, was: SpanRow, number: int) -> None:
        """A span got its id while it changed: whatever it has become is that row."""
        now = self._open.get(kind)
        if now is not None and now.id == 0 and now.began == was.began:
            self._open[kind] = replace(now, id=number)
            return
        for index, span in enumerate(self._unwritten):
            if span.id == 0 and (span.kind, span.began) == (kind, was.began):
                self._unwritten[index] = replace(span, id=number)

    async def _tidy(self) -> None:
        async with self._access.store.count() as connection:
            await periods.forget(connection, self._clock() - self._kept)
            self.since = await periods.known_since(connection)

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except StoreAway:  # told elsewhere
                await asyncio.sleep(_TICK_SECONDS)
            else:
                return


def _together(noted: Sequence[str], why: Sequence[str]) -> list[str]:
    """Reasons that are noted with those of now, each once. Beyond a bound it says that there were others."""
    cut = [text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…" for text in why]
    found = list(dict.fromkeys([*noted, *cut]))
    return found if len(found) <= _MOST_REASONS else [*found[: _MOST_REASONS - 1], MORE_REASONS]
