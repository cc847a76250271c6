"""One query's way, readable from top to bottom: question, policy, cache, upstream, answer.

`answer_now` is synchronous and never waits; what needs an upstream comes back as `Pending` and goes on in `resolve`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

from resolver.accounts import Accounts
from resolver.cache.responses import CacheEntry
from resolver.cache.table import FOR_EVER, AnswerTable, Prepared, TableBudget
from resolver.config.settings import Limits
from resolver.errors import FormatError, NotAQuery
from resolver.local_names import LocalNames
from resolver.policy.decision import Decision, Verdict
from resolver.policy.groups import NetworkTable, parse_client
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View
from resolver.resolution import Resolver
from resolver.telemetry.counters import Account, Counters, Outcome
from resolver.telemetry.query_events import QueryEvents
from resolver.wire.codes import MAX_MESSAGE, Class, Ede, Flag, Rcode, Type, is_meta
from resolver.wire.message import hinfo_record
from resolver.wire.question import Question, parse_question
from resolver.wire.response import compose, ede_option, error_without_question, truncated
from resolver.wire.sinkhole import Sinkhole, blocked_option

DESPITE_BLOCK_TTL_SECONDS = 60  # a name let through despite a block rule must close soon after the policy does
_ANY_TTL_SECONDS = 60
FORCED_MODES = ("nxdomain", "nodata")  # what a catalogue entry may demand


class Transport(IntEnum):
    """What an answer's form depends on."""

    UDP = 0  # cut to what the client takes
    STREAM = 1


@dataclass(slots=True)
class Client:
    """A client's address with what the policy in force makes of it."""

    address: str
    allowed: bool  # by clients.allow; all others are refused
    view: View
    tables: tuple[AnswerTable, AnswerTable]  # by Transport
    udp: dict[bytes, Prepared]  # the entries of the first, which the UDP reader looks into for every query
    cell: int  # the first of its own counters
    shown: bytes  # what the query log says of it, as JSON

    @property
    def group(self) -> str:
        """The group that it belongs to."""
        return self.view.group.name


@dataclass(slots=True)
class Pending:
    """A query on its way: judged by `snapshot`, not blocked, not answered yet."""

    question: Question
    client: Client
    transport: Transport
    decision: Decision
    snapshot: PolicySnapshot
    began: float  # monotonic seconds


class Pipeline:
    """Everything between a listener and its answer, for one worker."""

    def __init__(
        self,
        resolver: Resolver,
        clients_allow: tuple[str, ...],
        limits: Limits,
        counters: Counters,
        snapshot: PolicySnapshot,
        *,
        local_names: LocalNames,
        events: QueryEvents | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._allowed = NetworkTable((network, True) for network in clients_allow)
        self._limits = limits
        self._counters = counters
        self.events = events or QueryEvents(None, "off", counters.dropped)
        self._accounts = Accounts(counters, self.events)
        self._clock = clock
        self._local_names = local_names
        self._waiting: defaultdict[str, int] = defaultdict(int)  # queries in flight, by client address
        self._any_answer = hinfo_record(_ANY_TTL_SECONDS)
        self.use(snapshot)

    def use(self, snapshot: PolicySnapshot) -> None:
        """Put a policy in force: answers judged by another one are forgotten with it."""
        budget = TableBudget(self._limits.answer_table_entries, self._counters.dropped)
        responses = [view.group.response for view in snapshot.views]
        self._sinkholes = [Sinkhole.build(r.mode, r.ttl_seconds, r.ipv4, r.ipv6) for r in responses]
        self._forced = [{mode: Sinkhole.build(mode, r.ttl_seconds) for mode in FORCED_MODES} for r in responses]
        self._tables = [(AnswerTable(budget), AnswerTable(budget)) for _ in snapshot.views]
        self._refused_tables = (AnswerTable(budget), AnswerTable(budget))
        self.clients: dict[str, Client] = {}
        self._accounts.forget()  # what is counted under which cell may be another matter now
        self.snapshot = snapshot

    def client(self, address: str) -> Client:
        """The client at an address, remembered until the policy changes."""
        client = self.clients.get(address)
        if client is not None:
            return client
        parsed = parse_client(address)
        view, _ = self.snapshot.view_of(parsed)
        allowed = self._allowed.find(parsed) is not None
        tables = self._tables[view.index] if allowed else self._refused_tables
        cell, shown = self._accounts.client(address)
        client = Client(address, allowed, view, tables, tables[Transport.UDP].entries, cell, shown)
        if len(self.clients) >= self._limits.clients:
            self._counters.dropped["clients"] += len(self.clients)
            self.clients.clear()
        self.clients[address] = client
        return client

    def answer_now(self, query: bytes, client: Client, transport: Transport) -> bytes | Pending | None:
        """Answer from policy or cache. None: drop the query in silence. Pending: `resolve` it."""
        try:
            question = parse_question(query)
        except NotAQuery:
            self._counters.dropped["not_a_query"] += 1
            return None
        except FormatError as error:
            self._accounts.unreadable(Outcome.FAILED, client, client.group, transport, error.rcode)
            return error_without_question(query, error.rcode)
        if not client.allowed:
            return self._refuse(
                question, client, transport, ede_option(Ede.PROHIBITED, "this resolver does not serve your network")
            )
        table = client.tables[transport]
        prepared = table.entries.get(question.table_key)  # the query as it is, less its cookie
        now = self._clock()
        if prepared is not None and prepared[1] > now:
            self._accounts.count(client, prepared[2:])
            return query[:2] + prepared[0]
        local = self._answer_here(question, client, transport)
        if local is not None:
            return local
        decision = self.snapshot.decide(client.view, question.key)
        pending = Pending(question, client, transport, decision, self.snapshot, now)
        if decision.verdict is Verdict.BLOCK:
            return self._sinkhole(pending, decision, FOR_EVER)
        if question.qtype == Type.ANY:
            self._account(pending, decision, _outcome(decision.verdict, cached=True), Rcode.NOERROR)
            return compose(question, Rcode.NOERROR, self._any_answer, answers=1)  # RFC 8482 section 4.2
        entry = self._resolver.cached(question, now)
        return pending if entry is None else self._answer_from(entry, pending, cached=True)

    def resolve(self, pending: Pending, reply: Callable[[bytes], None]) -> None:
        """Ask an upstream and `reply` once; at the latest when the upstreams' time is over."""

        address = pending.client.address
        waiting = self._waiting[address]
        if waiting >= self._limits.queries_in_flight_per_client:
            self._counters.dropped["queries_in_flight_per_client"] += 1
            reply(self._busy(pending))
            return
        self._waiting[address] = waiting + 1

        def landed(entry: CacheEntry) -> None:
            self._waited(address)
            if pending.snapshot is not self.snapshot:
                # The policy changed while we waited: the one in force judges the answer, name and targets.
                pending.client = self.client(pending.client.address)
                pending.decision = self.snapshot.decide(pending.client.view, pending.question.key)
            reply(self._answer_from(entry, pending, cached=False))

        if not self._resolver.fetch(pending.question, landed):
            self._waited(address)
            reply(self._busy(pending))

    def _waited(self, address: str) -> None:
        self._waiting[address] -= 1
        if not self._waiting[address]:
            del self._waiting[address]

    def _busy(self, pending: Pending) -> bytes:
        self._account(pending, pending.decision, Outcome.FAILED, Rcode.SERVFAIL)
        why = ede_option(Ede.OTHER, "too many queries are waiting for an upstream")
        return compose(pending.question, Rcode.SERVFAIL, options=why)

    def _account(
        self, pending: Pending, decision: Decision, outcome: Outcome, rcode: int, *, waited: float | None = None
    ) -> Account:
        """Count an answer; gives what it was counted as."""
        account = self._accounts.of(outcome, decision, pending.question, pending.transport, rcode)
        self._accounts.count(pending.client, account, 0 if waited is None else waited * 1000)
        if waited is not None:
            self._counters.waited(outcome, waited)
        return account

    def _answer_here(self, question: Question, client: Client, transport: Transport) -> bytes | None:
        """What no policy and no upstream is asked for."""
        if question.version > 0:
            self._accounts.without_policy(Outcome.FAILED, client, client.group, question, transport, Rcode.BADVERS)
            return compose(question, Rcode.BADVERS)  # RFC 6891 section 6.1.3
        if question.qclass != Class.IN:
            return self._refuse(question, client, transport, ede_option(Ede.NOT_SUPPORTED, "only class IN is served"))
        if question.qtype == Type.OPT:
            self._accounts.without_policy(Outcome.FAILED, client, client.group, question, transport, Rcode.FORMERR)
            return compose(question, Rcode.FORMERR)  # a pseudo type: nothing can be asked for by it
        if is_meta(question.qtype):
            why = ede_option(Ede.NOT_SUPPORTED, "not a type of data")
            return self._refuse(question, client, transport, why, Rcode.NOTIMP)
        local = self._local_names.answer(question)
        if local is not None:
            self._accounts.without_policy(Outcome.CACHED, client, client.group, question, transport, local[3] & 0xF)
        return local

    def _refuse(
        self, question: Question, client: Client, transport: Transport, option: bytes, rcode: Rcode = Rcode.REFUSED
    ) -> bytes:
        self._accounts.without_policy(Outcome.REFUSED, client, client.group, question, transport, rcode)
        return compose(question, rcode, options=option)

    def _sinkhole(self, pending: Pending, decision: Decision, ends_at: float, *, waited: float | None = None) -> bytes:
        """The answer to a name that is blocked, itself or by a name that its answer leads to until `ends_at`."""
        question, client = pending.question, pending.client
        index = client.view.index
        sinkhole = self._forced[index][decision.response] if decision.response else self._sinkholes[index]
        answer = sinkhole.answer(question, blocked_option(decision.what, decision.group))
        account = self._account(pending, decision, Outcome.BLOCKED, answer[3] & 0xF, waited=waited)
        client.tables[pending.transport].put(question.table_key, answer, ends_at, account)
        return answer

    def _answer_from(self, entry: CacheEntry, pending: Pending, *, cached: bool) -> bytes:
        """An answer from a cache entry, for this client: targets judged, TTLs counted down, cut to size."""
        question = pending.question
        decision = self._judge_targets(entry, pending)
        now = self._clock()
        waited = None if cached else now - pending.began
        if decision.verdict is Verdict.BLOCK:
            return self._sinkhole(pending, decision, entry.expires_at, waited=waited)
        if entry.failed_why is not None:
            self._account(pending, decision, Outcome.FAILED, Rcode.SERVFAIL, waited=waited)
            failure = compose(question, Rcode.SERVFAIL, options=ede_option(*entry.failed_why))
            return _fit(failure, pending, Rcode.SERVFAIL)
        answer = entry.answer
        stale = entry.is_stale(now)
        response = compose(
            question,
            answer.rcode,
            entry.body(now, most=DESPITE_BLOCK_TTL_SECONDS if decision.despite_block else None),
            answers=answer.answers,
            authorities=answer.authorities,
            options=_STALE if stale else b"",
            flags=Flag.AD if answer.authenticated and question.wants_ad else 0,
        )
        response = _fit(response, pending, answer.rcode)
        outcome = _outcome(decision.verdict, cached=cached)
        account = self._account(pending, decision, outcome, answer.rcode, waited=waited)
        if cached and not stale:  # a first answer is not kept here: most names are asked for once
            ends_at = entry.ticks_at(now)
            pending.client.tables[pending.transport].put(question.table_key, response, ends_at, account)
        return response

    def _judge_targets(self, entry: CacheEntry, pending: Pending) -> Decision:
        """The decision that counts: that of the name, or of a name that its answer leads to."""
        decision = pending.decision
        if decision.verdict is Verdict.BLOCK or not entry.answer.targets:
            return decision
        lets_through = decision.lets_targets_through  # then targets cannot block it, but still cap its TTL
        for target in entry.answer.targets:
            if lets_through and decision.despite_block:
                break
            judged = self.snapshot.decide(pending.client.view, target)
            if lets_through:
                closed = judged.verdict is Verdict.BLOCK or judged.despite_block
                decision = replace(decision, despite_block=True) if closed else decision
            elif judged.verdict is Verdict.BLOCK:
                return judged
            elif judged.despite_block and not decision.despite_block:
                decision = judged
        return decision


_STALE = ede_option(Ede.STALE_ANSWER)


def _fit(response: bytes, pending: Pending, rcode: int) -> bytes:
    """The response, or what stands in for one that is too large for the client or the transport."""
    question = pending.question
    if pending.transport is Transport.UDP:
        return response if len(response) <= question.max_size else truncated(question, rcode)
    if len(response) <= MAX_MESSAGE:
        return response
    return compose(question, Rcode.SERVFAIL)  # the upstream filled it up, and our OPT has no room


def _outcome(verdict: Verdict, *, cached: bool) -> Outcome:
    """What an answer from cache or upstream counts as."""
    if verdict is Verdict.MONITOR:
        return Outcome.CACHED_MONITORED if cached else Outcome.FORWARDED_MONITORED
    if verdict is Verdict.EXEMPT:
        return Outcome.CACHED_EXEMPTED if cached else Outcome.FORWARDED_EXEMPTED
    return Outcome.CACHED if cached else Outcome.FORWARDED
