"""A query on its way from the policy to its answer, and whoever sees to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from resolver.answering.client import Client
from resolver.answering.flight import Waiter
from resolver.answering.replies import Reply
from resolver.cache.entry import CacheEntry
from resolver.policy.decision import Decision
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.answer import Answer
from resolver.wire.question import Question
from resolver.wire.transport import Transport


class PendingOwner(ABC):
    """Those who see to it that queries on their way are answered."""

    @abstractmethod
    def landed(self, pending: Pending, entry: CacheEntry) -> None:
        """The answer to a query is there."""

    @abstractmethod
    def may_have(self, pending: Pending, answer: Answer) -> bool:
        """Whether a query's client may have what an answer leads to."""


class Pending(Waiter):
    """A query on its way: judged by `snapshot`, not blocked, not answered yet.

    `began` is in monotonic seconds; `reply` is what is added to the answer for its client alone. While it waits for an
    upstream it has an `owner`, and `send` is how it is answered.
    """

    __slots__ = ("began", "client", "decision", "owner", "question", "reply", "send", "snapshot", "transport")

    def __init__(
        self,
        question: Question,
        client: Client,
        transport: Transport,
        decision: Decision,
        snapshot: PolicySnapshot,
        began: float,
    ) -> None:
        self.question = question
        self.client = client
        self.transport = transport
        self.decision = decision
        self.snapshot = snapshot
        self.began = began
        self.reply: Reply | None = None
        self.owner: PendingOwner | None = None
        self.send: Callable[[bytes], None] | None = None

    def told(self, entry: CacheEntry) -> None:
        """See Waiter."""
        if self.owner is not None:
            self.owner.landed(self, entry)

    def wants(self, answer: Answer) -> bool:
        """See Waiter."""
        return self.owner is not None and self.owner.may_have(self, answer)
