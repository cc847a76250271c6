"""Answers a client's question once it may ask: from what is ready, from policy, cache, or what an upstream said.

Synchronous, and shared by all transports. Who may ask, and what a reply carries beside the answer, is
`resolver.answering.pipeline`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from resolver.answering.accounts import Accounts
from resolver.answering.client import Client
from resolver.answering.local_names import LocalNames
from resolver.answering.pending import Pending
from resolver.answering.ready import ReadyAnswers
from resolver.answering.replies import Replies
from resolver.answering.resolution import Resolver
from resolver.answering.server_names import ServerNames
from resolver.cache.entry import CacheEntry
from resolver.cache.table import FOR_EVER, CachedOrigin
from resolver.policy.decision import Decision, Verdict
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.targets import judge_targets
from resolver.telemetry.counters import Account, Counters, Outcome
from resolver.wire.answer import Answer
from resolver.wire.codes import MAX_MESSAGE, Class, Ede, Flag, Rcode, Type, is_meta
from resolver.wire.local_data import LocalData, LocalName
from resolver.wire.message import hinfo_record
from resolver.wire.question import Question
from resolver.wire.response import compose, ede_option, truncated
from resolver.wire.sinkhole import blocked_option
from resolver.wire.transport import Transport

# Fetched once: an enumeration's member costs as much to fetch as all the rest of a test.
_BLOCK: Final = Verdict.BLOCK
_MONITOR: Final = Verdict.MONITOR
_EXEMPT: Final = Verdict.EXEMPT
_CACHED: Final = Outcome.CACHED
_FORWARDED: Final = Outcome.FORWARDED
_UDP: Final = Transport.UDP
_IN: Final = int(Class.IN)
_OPT: Final = int(Type.OPT)
_NXNAME: Final = int(Type.NXNAME)
_ANY: Final = int(Type.ANY)
_AD: Final = int(Flag.AD)
_NO_DATA: Final = frozenset(qtype for qtype in range(256) if qtype == _OPT or is_meta(qtype))

DESPITE_BLOCK_TTL_SECONDS = 60  # a name let through despite a block rule must close soon after the policy does
_ANY_TTL_SECONDS = 60
_STALE = ede_option(Ede.STALE_ANSWER)


@dataclass(frozen=True, slots=True)
class OwnAnswers:
    """Answers that come of no upstream: local names and the server's own; `replies` adds cookies to all."""

    local_names: LocalNames = field(default_factory=LocalNames)
    server_names: ServerNames = field(default_factory=ServerNames)
    replies: Replies = field(default_factory=Replies)


class Answerer:
    """Answers by the policy `snapshot`, and counts each."""

    def __init__(
        self,
        resolver: Resolver,
        counters: Counters,
        accounts: Accounts,
        snapshot: PolicySnapshot,
        own: OwnAnswers,
        ready: ReadyAnswers,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._ready = ready
        self.snapshot = snapshot
        self._resolver = resolver
        self._counters = counters
        self._accounts = accounts
        self._local_names = own.local_names
        self._given = own.local_names.given
        self._server_names = own.server_names
        self._clock = clock

    def use(self, snapshot: PolicySnapshot) -> LocalData | None:
        """Answer by another policy from now on; gives the local names that come with it and the config."""
        self.snapshot = snapshot
        self._given = self._local_names.use(snapshot.local)
        return self._given

    def answer(self, question: Question, client: Client, transport: Transport) -> bytes | Pending:
        """Answer a client's question from what is ready, from policy or cache."""
        now = self._clock()
        ready = self._ready.answer_to(question, client, transport, now)
        if ready is not None:
            return ready
        if question.version or question.qclass != _IN or question.qtype in _NO_DATA:
            return self._answer_odd(question, client, transport)
        decision: Decision | None = None
        if self._given is not None:
            given = self._given.find(question.key)
            if given is not None:
                decision = Decision(Verdict.ALLOW, client.group)
                local = self._answer_given(given, question, client, transport, decision)
                if local is not None:
                    return local
        if decision is None:
            if self._local_names.has(question.key):
                local = self._answer_here(question, client, transport)
                if local is not None:
                    return local
            decision = self.snapshot.decide(client.view, question.key)
        pending = Pending(question, client, transport, decision, self.snapshot, now)
        if decision.verdict is _BLOCK:
            return self._sinkhole(pending, decision, FOR_EVER)
        if question.qtype == _ANY:
            self._account(pending, decision, _outcome(decision.verdict, cached=True), Rcode.NOERROR)
            minimal = hinfo_record(client.answers.most_ttl(_ANY_TTL_SECONDS) or 0)
            return compose(question, Rcode.NOERROR, minimal, answers=1)  # RFC 8482 section 4.2
        entry = self._resolver.cached(question, now)
        if entry is None or (entry.answer.leads_on is not None and self.may_have(entry.answer, pending)):
            return pending
        return self.answer_from(entry, pending, cached=True)

    def decide(self, client: Client, key: bytes) -> Decision:
        """The decision on a name for a client: the policy's, but for local names, which are answered whatever it is."""
        if self.is_given(key):
            return Decision(Verdict.ALLOW, client.group)
        return self.snapshot.decide(client.view, key)

    def is_given(self, key: bytes) -> bool:
        """Whether a name is one of the admin's local names."""
        return self._given is not None and self._given.find(key) is not None

    def _answer_given(
        self, given: LocalName, question: Question, client: Client, transport: Transport, decision: Decision
    ) -> bytes | None:
        """The answer to a local name; None where its alias leads to a name that is not local, which policy judges."""
        if self._given is None:
            return None
        if question.qtype == _ANY and given.exists:
            answer = compose(question, Rcode.NOERROR, hinfo_record(_ANY_TTL_SECONDS), answers=1)  # RFC 8482 section 4.2
        else:
            answer, leads_on = self._given.answer(question, given)
            if leads_on:
                return None
        rcode = answer[3] & 0xF
        if transport is _UDP and len(answer) > question.max_size:
            answer = truncated(question, rcode)
        account = self._accounts.of(_CACHED, decision, question, transport, rcode, f"local name: {given.record.origin}")
        self._accounts.count(client, account)
        client.answers.put(transport, question, answer, FOR_EVER, account)
        return answer

    def busy(self, pending: Pending) -> bytes:
        """The answer where too much waits for an upstream."""
        self._account(pending, pending.decision, Outcome.FAILED, Rcode.SERVFAIL)
        why = ede_option(Ede.OTHER, "too many queries are waiting for an upstream")
        return compose(pending.question, Rcode.SERVFAIL, options=why)

    def _account(
        self,
        pending: Pending,
        decision: Decision,
        outcome: Outcome,
        rcode: int,
        *,
        waited: float | None = None,
        remark: str | None = None,
    ) -> Account:
        """Count an answer; gives what it was counted as. `remark` is for the query log."""
        account = self._accounts.of(outcome, decision, pending.question, pending.transport, rcode, remark)
        self._accounts.count(pending.client, account, 0 if waited is None else waited * 1000)
        if waited is not None:
            self._counters.waited(outcome, waited)
        return account

    def _answer_odd(self, question: Question, client: Client, transport: Transport) -> bytes:
        """The answer to what no policy and no upstream is asked for, whatever the name."""
        if question.version > 0:
            self._accounts.without_policy(Outcome.FAILED, client, client.group, question, transport, Rcode.BADVERS)
            return compose(question, Rcode.BADVERS)  # RFC 6891 section 6.1.3
        if question.qclass != Class.IN:
            told = self._server_names.answer(question)
            if told is not None:
                self._accounts.without_policy(Outcome.CACHED, client, client.group, question, transport, Rcode.NOERROR)
                return told
            return self.refuse(question, client, transport, ede_option(Ede.NOT_SUPPORTED, "only class IN is served"))
        if question.qtype in (_OPT, _NXNAME):
            self._accounts.without_policy(Outcome.FAILED, client, client.group, question, transport, Rcode.FORMERR)
            return compose(question, Rcode.FORMERR)  # nothing can be asked for by these (RFC 9824 for NXNAME)
        why = ede_option(Ede.NOT_SUPPORTED, "not a type of data")
        return self.refuse(question, client, transport, why, Rcode.NOTIMP)

    def _answer_here(self, question: Question, client: Client, transport: Transport) -> bytes | None:
        """The answer for a name that no policy and no upstream is asked for."""
        local = self._local_names.answer(question)
        if local is None:
            return None
        self._accounts.without_policy(Outcome.CACHED, client, client.group, question, transport, local[3] & 0xF)
        if transport is Transport.UDP and len(local) > question.max_size:
            return truncated(question, local[3] & 0xF)
        return local

    def refuse(
        self,
        question: Question,
        client: Client,
        transport: Transport,
        option: bytes,
        rcode: Rcode = Rcode.REFUSED,
        flags: int = 0,
    ) -> bytes:
        """An answer that is no answer, for a reason that `option` tells."""
        self._accounts.without_policy(Outcome.REFUSED, client, client.group, question, transport, rcode)
        return compose(question, rcode, options=option, flags=flags)

    def _sinkhole(self, pending: Pending, decision: Decision, ends_at: float, *, waited: float | None = None) -> bytes:
        """The answer to a name that is blocked, itself or by a name that its answer leads to until `ends_at`."""
        question, client = pending.question, pending.client
        answer = client.answers.sinkhole(decision).answer(question, blocked_option(decision.what, decision.group))
        answer = _fit(answer, pending, answer[3] & 0xF)
        account = self._account(pending, decision, Outcome.BLOCKED, answer[3] & 0xF, waited=waited)
        client.answers.put(pending.transport, question, answer, ends_at, account)
        return answer

    def answer_from(self, entry: CacheEntry, pending: Pending, *, cached: bool) -> bytes:
        """An answer from a cache entry, for this client: targets judged, TTLs counted down, cut to size."""
        question = pending.question
        decision = self._judged(entry, pending)
        now = self._clock()
        waited = None if cached else now - pending.began
        if decision.verdict is _BLOCK:
            return self._sinkhole(pending, decision, entry.expires_at, waited=waited)
        if entry.failed_why is not None:
            why = entry.failed_why[1]
            self._account(pending, decision, Outcome.FAILED, Rcode.SERVFAIL, waited=waited, remark=why)
            failure = compose(question, Rcode.SERVFAIL, options=ede_option(*entry.failed_why))
            return _fit(failure, pending, Rcode.SERVFAIL)
        answer, answers = entry.answer, pending.client.answers
        stale = entry.is_stale(now)
        options = _STALE if stale else b""
        remark = answer.remark
        if remark is not None:
            options += ede_option(remark[1], remark[2])
        most = answers.most_ttl(DESPITE_BLOCK_TTL_SECONDS if decision.despite_block else None)
        whole = compose(
            question,
            answer.rcode,
            entry.body(now, most=most),
            answers=answer.answers,
            authorities=answer.authorities,
            options=options,
            flags=_AD if answer.authenticated and question.wants_ad else 0,
        )
        response = _fit(whole, pending, answer.rcode)
        outcome = _outcome(decision.verdict, cached=cached)
        said = None if remark is None else remark[2]
        account = self._account(pending, decision, outcome, answer.rcode, waited=waited, remark=said)
        if cached and not stale:  # a first answer is not kept here: most names are asked for once
            origin = CachedOrigin(question.cache_key, entry.stored_at, most) if response is whole else None
            answers.put(pending.transport, question, response, entry.ticks_at(now), account, origin)
        return response

    def may_have(self, answer: Answer, pending: Pending) -> bool:
        """Whether the names that an answer leads to are open to a client, by the policy in force."""
        judged = judge_targets(pending.decision, answer.targets, (), pending.client.view, self.snapshot)
        return judged.verdict is not _BLOCK

    def _judged(self, entry: CacheEntry, pending: Pending) -> Decision:
        """The decision that counts, with all that the answer leads to."""
        snapshot, view, targets = self.snapshot, pending.client.view, entry.answer.targets
        if not snapshot.stack.judges_addresses:
            return judge_targets(pending.decision, targets, (), view, snapshot) if targets else pending.decision
        if not entry.is_long_to_judge:
            addresses = entry.addresses
            if targets or addresses:
                return judge_targets(pending.decision, targets, addresses, view, snapshot)
            return pending.decision
        known = entry.judged  # else one name of a thousand addresses, in ever other letter case, would cost a worker
        if known is None or known[0] != snapshot.revision or known[1] != view.number:
            decision = judge_targets(pending.decision, targets, entry.addresses, view, snapshot)
            known = entry.judged = (snapshot.revision, view.number, decision)
        return known[2]


def _fit(response: bytes, pending: Pending, rcode: int) -> bytes:
    """The response, or what stands in for one that is too large for the client or the transport."""
    question = pending.question
    if pending.transport is _UDP:
        return response if len(response) <= question.max_size else truncated(question, rcode)
    if len(response) <= MAX_MESSAGE:
        return response
    return compose(question, Rcode.SERVFAIL)  # the upstream filled it up, and our OPT has no room


def _outcome(verdict: Verdict, *, cached: bool) -> Outcome:
    """The outcome that an answer from cache or upstream counts as."""
    if verdict is _MONITOR:
        return Outcome.CACHED_MONITORED if cached else Outcome.FORWARDED_MONITORED
    if verdict is _EXEMPT:
        return Outcome.CACHED_EXEMPTED if cached else Outcome.FORWARDED_EXEMPTED
    return _CACHED if cached else _FORWARDED
