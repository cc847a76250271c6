"""Delivers what waits in the outbox: each receiver by tasks of its own, so that none waits for another.

A receiver has two lanes: what is urgent does not wait behind what anybody can have told in great number.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from admin_api.outbox.receivers import Delivery, Outbox, Receiver, lane_of
from admin_api.store import webhooks
from admin_api.store.access import StoreAccess
from admin_api.store.webhooks import NONE_WAITING, MessageRow, WaitingMessages
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

PAUSES_SECONDS: Final = (5, 30, 120, 600, 3600, 6 * 3600, 12 * 3600)
"""After each try that failed; after the last, the message is given up."""

_LOOK_SECONDS = 1.0
_COUNTED: Final = ("delivered", "failed", "given_up", "partly")


@dataclass(slots=True)
class ReceiverState:
    """How a receiver is, by what came of the last messages, and by what waits for it in each lane."""

    last_success_at: datetime | None = None
    refusal: str | None = None  # why the last one that was tried did not arrive
    store_errors: dict[str, str] = field(default_factory=dict)  # by lane: why nobody can look what waits
    lanes: dict[str, WaitingMessages] = field(default_factory=dict)
    kept_tried: int = 0  # messages in memory that wait for another try

    @property
    def waiting(self) -> int:
        """Messages that wait, in the store."""
        return sum(lane.messages for lane in self.lanes.values())

    @property
    def last_error(self) -> str | None:
        """The last error; None since something arrived."""
        return next(iter(self.store_errors.values()), self.refusal)

    @property
    def failing(self) -> bool:
        """Whether something waits that could not be delivered, and nothing was since.

        What was given up is over: it is counted, and says nothing of now.
        """
        tried = self.kept_tried + sum(lane.tried for lane in self.lanes.values())
        return bool(self.store_errors) or (self.refusal is not None and tried > 0)


class Deliveries:
    """The deliveries to all receivers."""

    def __init__(self, access: StoreAccess, outbox: Outbox, log: Log) -> None:
        self._access = access
        self._outbox = outbox
        self._log = log
        self.states = {receiver.key: ReceiverState() for receiver in outbox.receivers}
        self.counts: Counter[tuple[str, str]] = Counter()  # by kind, and by what became of messages
        for receiver in outbox.receivers:
            self.counts.update({(receiver.kind, what): 0 for what in _COUNTED})

    async def run(self) -> None:
        """Deliver, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for receiver in self._outbox.receivers:
                for is_urgent in (True, False):
                    tasks.create_task(self._deliver(receiver, is_urgent=is_urgent))

    def gauges(self) -> dict[str, dict[tuple[str, ...], float]]:
        """For Prometheus."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for kind in sorted({receiver.kind for receiver in self._outbox.receivers}):
            states = [self.states[receiver.key] for receiver in self._outbox.receivers if receiver.kind == kind]
            found[f"moatdns_{kind}_messages_waiting"] = {(): sum(state.waiting for state in states)}
            found[f"moatdns_{kind}_failing"] = {(): sum(state.failing for state in states)}
        return found

    def own_counts(self) -> dict[tuple[str, str], int]:
        """For Prometheus: by metric and label."""
        return {**self.counts, ("dropped", "outbox"): self._outbox.dropped}

    async def _deliver(self, receiver: Receiver, *, is_urgent: bool) -> None:
        state, lane = self.states[receiver.key], lane_of(receiver, is_urgent=is_urgent)
        unnoted: dict[int, Delivery] = {}  # what was tried while the store takes nothing: it is not sent again
        while True:
            if is_urgent:
                await self._deliver_kept(receiver)
            try:
                async with self._access.store.read() as connection:
                    due = await webhooks.due(connection, lane, datetime.now(UTC), receiver.at_once)
                    state.lanes[lane] = (await webhooks.waiting(connection)).get(lane, NONE_WAITING)
                tried = [row for row in due if row.id in unnoted]
                for row in tried:
                    await self._note(row, unnoted[row.id])
                    del unnoted[row.id]
                async for row, outcome in receiver.deliver([row for row in due if row not in tried]):
                    self._tell(receiver, row, outcome)
                    unnoted[row.id] = outcome
                    await self._note(row, outcome)
                    del unnoted[row.id]
                state.store_errors.pop(lane, None)
            except MoatdnsError as error:
                state.store_errors[lane] = str(error)
            await asyncio.sleep(max(_LOOK_SECONDS, receiver.pause_seconds(is_urgent=is_urgent)))

    async def _deliver_kept(self, receiver: Receiver) -> None:
        """Deliver what no store has: that it is away, or its disk full, is what people must hear of."""
        kept, now = self._outbox.kept[receiver.key], datetime.now(UTC)
        due = [row for row in kept if row.next_at <= now]
        if due:
            async for row, outcome in receiver.deliver(due):
                self._tell(receiver, row, outcome)
                if row not in kept:  # newer ones took its place meanwhile
                    continue
                kept.remove(row)
                if outcome.why is not None and not _is_last(row, outcome):
                    again = now + timedelta(seconds=PAUSES_SECONDS[row.tries])
                    kept.append(replace(row, tries=row.tries + 1, next_at=again))
        self.states[receiver.key].kept_tried = sum(row.tries > 0 for row in kept)

    async def _note(self, row: MessageRow, outcome: Delivery) -> None:
        async with self._access.store.count() as connection:
            if outcome.why is None or _is_last(row, outcome):
                await webhooks.done(connection, row)
            else:
                await webhooks.later(connection, row, datetime.now(UTC) + timedelta(seconds=PAUSES_SECONDS[row.tries]))

    def _tell(self, receiver: Receiver, row: MessageRow, outcome: Delivery) -> None:
        state, why, is_last = self.states[receiver.key], outcome.why, _is_last(row, outcome)
        if outcome.is_skipped:
            return
        facts = {"hook": receiver.shown} if receiver.kind == "webhook" else {"server": receiver.shown}
        if why is None:
            state.last_success_at, state.refusal = datetime.now(UTC), outcome.partly
            self.counts[receiver.kind, "delivered"] += 1
            if outcome.partly is not None:
                self.counts[receiver.kind, "partly"] += 1
                self._log.warning(
                    f"a {receiver.kind} did not reach everybody", **facts, message=row.message_id, why=outcome.partly
                )
            return
        state.refusal = why
        self.counts[receiver.kind, "failed"] += 1
        self.counts[receiver.kind, "given_up"] += is_last
        self._log.warning(
            f"a {receiver.kind} could not be delivered", **facts, message=row.message_id, why=why, given_up=is_last
        )


def _is_last(row: MessageRow, outcome: Delivery) -> bool:
    """Whether a message that failed is given up."""
    return outcome.for_good or row.tries >= len(PAUSES_SECONDS)
