"""Figures of the statistics, one class for each question that may be asked."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict


class Hits(TypedDict):
    """Queries that the policy has something against, by what became of them."""

    blocked: int
    monitored: int
    exempted: int


class KeyHits(Hits):
    """Hits of one key: a service, vendor, list, domain, group, client or identity.

    `rest`: they are the sum of all that are not told apart, and the key is `other`.
    """

    key: str
    rest: bool


class StepHits(Hits):
    """All queries of one step, and hits among them."""

    at: datetime
    queries: int


class KeyStepHits(KeyHits):
    """Hits of one key in one step, and the minute of the last."""

    at: datetime
    last_at: datetime
