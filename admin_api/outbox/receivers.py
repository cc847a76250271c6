"""Receivers of events, and the outbox that keeps a message for each until it has it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import webhooks
from admin_api.store.access import StoreAccess
from admin_api.store.webhooks import MessageRow
from resolver.errors import MoatdnsError

MOST_KEPT: Final = 20
"""Messages for a receiver that are kept in memory while the store takes none; then the oldest go."""

TEST: Final = "test"
"""The event that an admin asks for, to see whether messages arrive."""

DEGRADED: Final = "node.degraded"
RECOVERED: Final = "node.recovered"
URGENT: Final = frozenset((DEGRADED, RECOVERED, TEST))
"""Events with a lane of their own: anybody in the network can have many others told, by the block page."""

_URGENT_LANE: Final = ":urgent"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The end of one try: delivered unless there is a reason why not.

    `for_good`: no further try helps. `is_skipped`: there was nobody to deliver it to. `partly`: who of several did not
    get it for good, and why; the others have it.
    """

    why: str | None = None
    for_good: bool = False
    is_skipped: bool = False
    partly: str | None = None


class Receiver(Protocol):
    """One that is told of events, by its own way."""

    @property
    def key(self) -> str:
        """Key of its messages in the store."""

    @property
    def kind(self) -> str:
        """Its way, as metrics name it: webhook or mail."""

    @property
    def shown(self) -> str:
        """Its name for people, without what may be secret in it."""

    @property
    def at_once(self) -> int:
        """Messages that it is given at once, at most."""

    def wants(self, event: str) -> bool:
        """Whether it is told of such events."""

    def pause_seconds(self, *, is_urgent: bool) -> float:
        """For how long it takes nothing, of what is urgent or of all else."""

    def deliver(self, rows: Sequence[MessageRow]) -> AsyncIterator[tuple[MessageRow, Delivery]]:
        """Try to deliver messages of one lane; gives what came of each that was tried. The others wait."""


def lane_of(receiver: Receiver, *, is_urgent: bool) -> str:
    """The key of a receiver's messages in the store, of those that are urgent or of all others."""
    return f"{receiver.key}{_URGENT_LANE}" if is_urgent else receiver.key


class Outbox:
    """Where events are put that receivers are to be told of."""

    def __init__(self, receivers: Iterable[Receiver] = ()) -> None:
        self.receivers: Sequence[Receiver] = tuple(receivers)
        self.dropped = 0  # messages that gave way to newer ones
        self.kept: dict[str, list[MessageRow]] = {receiver.key: [] for receiver in self.receivers}
        self._numbers = itertools.count(-1, -1)  # of what is kept: the store's are above

    def wants(self, what: str) -> bool:
        """Whether anybody wants to know of it."""
        return any(receiver.wants(what) for receiver in self.receivers)

    async def put(self, conn: AsyncConnection, what: str, data: Mapping[str, object]) -> None:
        """Put an event in, within a transaction of the store."""
        await self._put(conn, [receiver for receiver in self.receivers if receiver.wants(what)], what, data)

    async def tell(self, access: StoreAccess, what: str, data: Mapping[str, object]) -> None:
        """Put an event in by a transaction of its own; while the store is away or full, keep it in memory."""
        try:
            async with access.store.count() as connection:
                await self.put(connection, what, data)
        except MoatdnsError:
            self._keep(what, data)

    async def put_test(self, conn: AsyncConnection, kind: str) -> int:
        """Put in a test for every receiver of a kind; gives how many there are."""
        receivers = [receiver for receiver in self.receivers if receiver.kind == kind]
        await self._put(conn, receivers, TEST, {"text": "a test, requested by an admin"})
        return len(receivers)

    async def _put(
        self, conn: AsyncConnection, receivers: Sequence[Receiver], what: str, data: Mapping[str, object]
    ) -> None:
        if receivers:
            lanes = [lane_of(receiver, is_urgent=what in URGENT) for receiver in receivers]
            self.dropped += await webhooks.put(conn, lanes, what, data)

    def _keep(self, what: str, data: Mapping[str, object]) -> None:
        now = datetime.now(UTC)
        message_id, body = webhooks.message_of(what, data, now)
        for receiver in self.receivers:
            if receiver.wants(what):
                kept = self.kept[receiver.key]
                kept.append(MessageRow(next(self._numbers), receiver.key, message_id, body, 0, now))
                self.dropped += max(0, len(kept) - MOST_KEPT)
                del kept[:-MOST_KEPT]
