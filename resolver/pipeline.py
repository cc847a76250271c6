"""One query's way, readable from top to bottom: question, policy, cache, upstream, answer.

`answer_now` is synchronous and never waits; what needs an upstream comes back as `Pending` and goes on in `resolve`.
"""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from resolver.accounts import Accounts
from resolver.cache.responses import CacheEntry
from resolver.cache.table import FOR_EVER
from resolver.clients import Client, Clients
from resolver.clocks import now
from resolver.config.settings import Limits
from resolver.errors import FormatError, NotAQuery
from resolver.local_names import LocalNames
from resolver.policy.decision import Decision, Verdict
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Moment
from resolver.resolution import Resolver
from resolver.telemetry.counters import Account, Counters, Outcome
from resolver.telemetry.query_events import QueryEvents
from resolver.wire.client_subnet import client_of_subnet, option_for
from resolver.wire.codes import MAX_MESSAGE, Class, Ede, Flag, Rcode, Type, is_meta
from resolver.wire.message import hinfo_record
from resolver.wire.question import Question, parse_question
from resolver.wire.response import compose, ede_option, error_without_question, truncated, with_option
from resolver.wire.sinkhole import blocked_option

DESPITE_BLOCK_TTL_SECONDS = 60  # a name let through despite a block rule must close soon after the policy does
_ANY_TTL_SECONDS = 60


class Transport(IntEnum):
    """How a query came: what an answer's form depends on, and what it is counted as."""

    UDP = 0  # cut to what the client takes
    TCP = 1
    TLS = 2
    HTTPS = 3

    @property
    def is_encrypted(self) -> bool:
        """Whether an answer's size is hidden by padding (RFC 8467)."""
        return self >= Transport.TLS


@dataclass(slots=True)
class Pending:
    """A query on its way: judged by `snapshot`, not blocked, not answered yet."""

    question: Question
    client: Client
    transport: Transport
    decision: Decision
    snapshot: PolicySnapshot
    began: float  # monotonic seconds
    client_subnet: bytes = b""  # the option that says for whom the answer is, where a proxy asked for somebody


class Pipeline:
    """Everything between a listener and its answer, for one worker."""

    def __init__(
        self,
        resolver: Resolver,
        clients_allow: Iterable[str],
        limits: Limits,
        counters: Counters,
        snapshot: PolicySnapshot,
        *,
        local_names: LocalNames,
        trusted_proxies: Iterable[str] = (),
        events: QueryEvents | None = None,
        clock: Callable[[], float] = time.monotonic,
        moment: Callable[[], Moment] = now,
    ) -> None:
        self._resolver = resolver
        self._limits = limits
        self._counters = counters
        self.events = events or QueryEvents(None, "off", counters.dropped)
        self._accounts = Accounts(counters, self.events)
        self._clock = clock
        self._local_names = local_names
        self._waiting: defaultdict[str, int] = defaultdict(int)  # queries in flight, by client address
        self.clients = Clients(
            clients_allow, trusted_proxies, limits, self._accounts, counters.dropped, clock=clock, moment=moment
        )
        self.use(snapshot)

    def use(self, snapshot: PolicySnapshot) -> None:
        """Put a policy in force: answers judged by another one are forgotten with it."""
        self._accounts.forget()  # what is counted under which cell may be another matter now
        self.clients.use(snapshot)
        self.snapshot = snapshot

    def client(self, address: str) -> Client:
        """The client at an address, remembered until something about it changes."""
        return self.clients.at(address)

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
            return self._not_served(question, client, transport)
        if client.is_proxy and question.client_subnet:
            return self._for_another(question, client, transport)
        return self._answer(question, client, transport)

    def _for_another(self, question: Question, proxy: Client, transport: Transport) -> bytes | Pending:
        """Answer a proxy's query for the client that it names (RFC 7871), as that client may see it."""
        address = client_of_subnet(question.client_subnet)
        if address is None:  # a network, or nobody: the proxy speaks for itself
            return self._answer(question, proxy, transport)
        client = self.clients.at(address)
        outcome = (
            self._answer(question, client, transport)
            if client.allowed
            else self._not_served(question, client, transport)
        )
        option = option_for(question.client_subnet)
        if isinstance(outcome, Pending):
            outcome.client_subnet = option
            return outcome
        return _with_option(outcome, option, question, transport)

    def _answer(self, question: Question, client: Client, transport: Transport) -> bytes | Pending:
        """Answer a client's question from what is ready, from policy or cache."""
        prepared = client.answers.tables[transport].entries.get(question.table_key)  # the query, less its cookie
        now = self._clock()
        if prepared is not None and prepared[1] > now:
            self._accounts.count(client, prepared[2:])
            return question.query[:2] + prepared[0]
        local = self._answer_here(question, client, transport)
        if local is not None:
            return local
        decision = self.snapshot.decide(client.view, question.key)
        pending = Pending(question, client, transport, decision, self.snapshot, now)
        if decision.verdict is Verdict.BLOCK:
            return self._sinkhole(pending, decision, FOR_EVER)
        if question.qtype == Type.ANY:
            self._account(pending, decision, _outcome(decision.verdict, cached=True), Rcode.NOERROR)
            minimal = hinfo_record(client.answers.most_ttl(_ANY_TTL_SECONDS) or 0)
            return compose(question, Rcode.NOERROR, minimal, answers=1)  # RFC 8482 section 4.2
        entry = self._resolver.cached(question, now)
        return pending if entry is None else self._answer_from(entry, pending, cached=True)

    def resolve(self, pending: Pending, reply: Callable[[bytes], None]) -> None:
        """Ask an upstream and `reply` once; at the latest when the upstreams' time is over."""

        if pending.client_subnet:
            reply = functools.partial(_reply_with, reply, pending)
        address = pending.client.address
        waiting = self._waiting[address]
        if waiting >= self._limits.queries_in_flight_per_client:
            self._counters.dropped["queries_in_flight_per_client"] += 1
            reply(self._busy(pending))
            return
        self._waiting[address] = waiting + 1

        def landed(entry: CacheEntry) -> None:
            self._waited(address)
            client = self.clients.at(address)
            if pending.snapshot is not self.snapshot or client is not pending.client:
                # Something changed while we waited: what is in force now judges the answer, name and targets.
                pending.client = client
                pending.decision = self.snapshot.decide(client.view, pending.question.key)
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

    def _not_served(self, question: Question, client: Client, transport: Transport) -> bytes:
        why = ede_option(Ede.PROHIBITED, "this resolver does not serve your network")
        return self._refuse(question, client, transport, why)

    def _refuse(
        self, question: Question, client: Client, transport: Transport, option: bytes, rcode: Rcode = Rcode.REFUSED
    ) -> bytes:
        self._accounts.without_policy(Outcome.REFUSED, client, client.group, question, transport, rcode)
        return compose(question, rcode, options=option)

    def _sinkhole(self, pending: Pending, decision: Decision, ends_at: float, *, waited: float | None = None) -> bytes:
        """The answer to a name that is blocked, itself or by a name that its answer leads to until `ends_at`."""
        question, client = pending.question, pending.client
        answer = client.answers.sinkhole(decision).answer(question, blocked_option(decision.what, decision.group))
        account = self._account(pending, decision, Outcome.BLOCKED, answer[3] & 0xF, waited=waited)
        client.answers.put(pending.transport, question.table_key, answer, ends_at, account)
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
        answer, answers = entry.answer, pending.client.answers
        stale = entry.is_stale(now)
        response = compose(
            question,
            answer.rcode,
            entry.body(now, most=answers.most_ttl(DESPITE_BLOCK_TTL_SECONDS if decision.despite_block else None)),
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
            answers.put(pending.transport, question.table_key, response, ends_at, account)
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


def _reply_with(reply: Callable[[bytes], None], pending: Pending, answer: bytes) -> None:
    reply(_with_option(answer, pending.client_subnet, pending.question, pending.transport))


def _with_option(answer: bytes, option: bytes, question: Question, transport: Transport) -> bytes:
    """The answer with one more EDNS option, if there is room."""
    longer = with_option(answer, question, option)
    if transport is Transport.UDP and len(longer) > question.max_size:
        return truncated(question, answer[3] & 0xF)
    return longer if len(longer) <= MAX_MESSAGE else answer


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
