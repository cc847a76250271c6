"""One client of a worker, and the answers that are ready for all clients of its view."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Final

from resolver.cache.table import AnswerTable, CachedOrigin, Prepared, TableBudget
from resolver.policy.decision import Decision
from resolver.policy.situation import identity_at
from resolver.policy.standing import View
from resolver.policy.subjects import Lease
from resolver.telemetry.counters import Account, PersonHits
from resolver.wire.cookies import CookieProof
from resolver.wire.question import Question
from resolver.wire.sinkhole import Sinkhole
from resolver.wire.transport import Transport

MARGIN_SECONDS: Final = 0.5
"""A TTL ends so much before what it was given under: room for a worker that is late, and for clients' rounding."""
_HIGHEST_CEILING: Final = 1 << 20  # seconds; no TTL is as high

sinkhole_of = functools.lru_cache(maxsize=4096)(Sinkhole.build)


class ViewAnswers:
    """The answers that are ready for a view, of TTLs up to a ceiling.

    `ceiling` (seconds) is None where nothing about the view's clients ends soon. With 0, nothing is kept.
    """

    def __init__(self, view: View, ceiling: int | None, budget: TableBudget) -> None:
        self.view = view
        self.ceiling = ceiling
        self.tables = tuple(AnswerTable(budget) for _ in Transport)  # each counts its own protocol

    def sinkhole(self, decision: Decision) -> Sinkhole:
        """The sinkhole that answers a blocked name."""
        response = self.view.group.response
        ttl = response.ttl_seconds if self.ceiling is None else min(response.ttl_seconds, self.ceiling)
        if decision.response:
            return sinkhole_of(decision.response, ttl)
        return sinkhole_of(response.mode, ttl, response.ipv4, response.ipv6)

    def most_ttl(self, most: int | None) -> int | None:
        """The lower of a bound for a TTL and the ceiling; None where there is none."""
        if self.ceiling is None or most is None:
            return self.ceiling if most is None else most
        return min(most, self.ceiling)

    def put(
        self,
        transport: int,
        question: Question,
        answer: bytes,
        ends_at: float,
        account: Account,
        origin: CachedOrigin | None = None,
    ) -> None:
        """Keep an answer until `ends_at` (monotonic seconds), or for as long as it can be renewed from its origin."""
        if self.ceiling != 0:
            self.tables[transport].put(question, answer, ends_at, account, origin)


@dataclass(slots=True)
class Client:
    """A client's address with what the policy in force makes of it, until `until` (monotonic seconds)."""

    address: str
    name: str  # what it calls itself, where a group has clients of that name, or proves to be
    packed: bytes  # its address in four or sixteen octets
    network: bytes  # whose bounds it shares; b"" where there are none
    allowed: bool  # by clients.allow; all others are refused
    words: int  # of a trusted proxy: by which it is believed when it says for whom it asks (proxies.py); else 0
    is_unlimited: bool  # a proxy, or by rate_limits.exempt
    answers: ViewAnswers
    tables: tuple[dict[bytes, Prepared], ...]  # by transport: what is looked into before a query is read
    cell: int  # the first of its own counters
    shown: bytes  # what the query log says of it, as JSON
    person: PersonHits | None  # where its hits are counted as those of whoever has it
    lease: Lease | None  # by which it is somebody's
    until: float
    left: int  # queries that it may still ask before `Clients.refill` is asked for more
    speaks_for_itself: bool = False  # as a trusted proxy that has said so
    octets: bytes = b""  # of its socket address, by which `Clients.by_octets` has it; b"" where it has not
    varies: bool = False  # its last query was in another letter case than the answer table has, or with a cookie
    cookie: bytes = b""  # the COOKIE option that it sent last, unless that was bad
    cookie_answer: bytes = b""  # what that is answered with until `cookie_until`, and what it proves
    cookie_proof: CookieProof = CookieProof.UNKNOWN
    cookie_until: float = 0.0

    @property
    def view(self) -> View:
        """The part of the policy that holds for the client."""
        return self.answers.view

    @property
    def group(self) -> str:
        """The group that it belongs to."""
        return self.answers.view.group.name

    @property
    def lacks_word(self) -> bool:
        """Whether this is a trusted proxy that has not said for whom it asks: nobody is answered by that."""
        return self.words != 0 and not self.speaks_for_itself

    def itself(self) -> Client:
        """A trusted proxy whose query is its own, a health check for one; anybody else as it is."""
        return replace(self, speaks_for_itself=True) if self.words else self

    @property
    def identity(self) -> str | None:
        """The identity of whom it is; None for nobody's."""
        return identity_at(self.name, self.lease)

    def asked_as(self, before: Client) -> Client:
        """The client as it is now, recorded as who it was when it asked."""
        if self.shown == before.shown:
            return self
        person = None if before.person is None else PersonHits(before.person.identity)
        return replace(self, shown=before.shown, person=person)


def ceiling_of(seconds: float) -> tuple[int | None, float]:
    """The highest TTL for a client about whom something changes in `seconds`, and for how long that is the ceiling.

    Ceilings are powers of two, so that clients whose ends differ share answers: a TTL is at least half of what it
    could be.
    """
    room = seconds - MARGIN_SECONDS
    if room >= _HIGHEST_CEILING:
        return None, room - _HIGHEST_CEILING
    if room < 1:
        return 0, max(seconds, 0.0)
    ceiling = 1 << (int(room).bit_length() - 1)
    return ceiling, room - ceiling
