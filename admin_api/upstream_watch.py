"""Upstreams as all workers find them: told when one begins to fail and when it answers again.

A worker knows of an upstream only what its own questions showed. One that has asked nothing yet, since it was just
started, says nothing: so a restart of workers never makes a dead upstream look healthy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from admin_api.channel import SupervisorChannel
from admin_api.outbox.receivers import Outbox
from admin_api.store.access import StoreAccess
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

FAILING: Final = "upstream.failing"
RECOVERED: Final = "upstream.recovered"
MOST_ERRORS: Final = 50
"""Answers of one worker's that are errors, without a good one between: such an upstream is there, and of no use."""

_LOOK_SECONDS = 1.0
_STEADY_LOOKS = 2  # for which something holds before it is told: one lost packet is no failure
_MOST_TOLD_PER_MINUTE = 20  # lines and messages of all upstreams; beyond, only gauges and `/ready` follow
_MINUTE = 60

Reports = Iterable[Mapping[str, Any]]
"""`upstreams` of each worker, with its process id as `worker`, as `GET /status` has them."""


@dataclass(slots=True)
class _State:
    why: str | None = None  # why it fails, as it was told; None while it does not
    different_looks: int = 0


class UpstreamStates:
    """The state of each upstream; what changes is given to be told."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._good: dict[tuple[int, str, int], tuple[int, int]] = {}  # answers, and errors at the last new one

    @property
    def failing(self) -> dict[str, str]:
        """Why each upstream that fails does."""
        return {name: state.why for name, state in sorted(self._states.items()) if state.why is not None}

    @property
    def up(self) -> dict[tuple[str, ...], float]:
        """By upstream, 1 or 0."""
        return {(name,): float(state.why is None) for name, state in self._states.items()}

    @property
    def troubles(self) -> list[str]:
        """In finished phrases, for people."""
        failing = self.failing
        told = [f"upstream {name} does not answer: {why}" for name, why in failing.items()]
        if failing and len(failing) == len(self._states):
            told.append("no upstream answers: names that are not in the cache fail (SERVFAIL)")
        return told

    def look(self, reports: Reports) -> list[tuple[str, str | None]]:
        """Take what workers say now; gives the upstreams that have changed for good, with why they fail (or None)."""
        seen: dict[str, list[str | None]] = {}
        counts: dict[tuple[int, str, int], tuple[int, int]] = {}
        for place, each in enumerate(reports):
            # One upstream may be asked for several zones, and is reported for each: its place keeps them apart.
            found = self._found(each, (each.get("worker", 0), each["name"], place), counts)
            seen.setdefault(each["name"], []).extend(found)
        self._good = counts
        if not seen:
            return []  # no worker has told
        self._states = {name: self._states.get(name, _State()) for name in seen}
        return [(name, state.why) for name, state in self._states.items() if _has_changed(state, seen[name])]

    def _found(
        self,
        report: Mapping[str, Any],
        key: tuple[int, str, int],
        counts: dict[tuple[int, str, int], tuple[int, int]],
    ) -> list[str | None]:
        """Why one worker finds it failing, None where it is healthy; nothing where it cannot know."""
        answers, errors = report.get("answers", 0), report.get("errors", 0)
        before = self._good.get(key)
        counts[key] = before if before is not None and before[0] == answers else (answers, errors)
        if not report["healthy"]:
            return [report.get("trouble") or "silent"]
        if errors - counts[key][1] >= MOST_ERRORS or (not answers and errors >= MOST_ERRORS):
            return [f"its last {MOST_ERRORS} answers were errors"]  # without a count that grows: records have it once
        return [None] if answers else []


def _has_changed(state: _State, found: Sequence[str | None]) -> bool:
    whys = [why for why in found if why is not None]
    is_failing = bool(whys) if found else state.why is not None
    if is_failing == (state.why is not None):
        state.different_looks = 0
        if whys:
            state.why = whys[0]
        return False
    state.different_looks += 1
    if state.different_looks < _STEADY_LOOKS:
        return False
    state.different_looks = 0
    state.why = whys[0] if whys else None
    return True


class UpstreamWatch:
    """Looks at the upstreams all the time, and tells log and webhooks."""

    def __init__(self, channel: SupervisorChannel, access: StoreAccess, outbox: Outbox, log: Log) -> None:
        self._channel = channel
        self._access = access
        self._outbox = outbox
        self._log = log
        self._told: list[float] = []
        self.states = UpstreamStates()

    async def run(self) -> None:
        """Look, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                workers = (await self._channel.status()).workers
            except MoatdnsError:
                workers = ()
            reports = [{"worker": worker.pid, **asdict(each)} for worker in workers for each in worker.upstreams]
            for name, why in self.states.look(reports):
                self._told = [at for at in self._told if loop.time() - at < _MINUTE]
                if len(self._told) < _MOST_TOLD_PER_MINUTE:
                    self._told.append(loop.time())
                    await self._tell(name, why)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _tell(self, name: str, why: str | None) -> None:
        if why is None:
            self._log.info("an upstream answers again", upstream=name)
        else:
            self._log.warning("an upstream does not answer", upstream=name, why=why)
        event, data = (RECOVERED, {"upstream": name}) if why is None else (FAILING, {"upstream": name, "why": why})
        if not self._outbox.wants(event):
            return
        try:
            async with self._access.store.count() as connection:
                await self._outbox.put(connection, event, data)
        except MoatdnsError as error:
            self._log.warning("webhooks are not told of an upstream", upstream=name, why=str(error))
