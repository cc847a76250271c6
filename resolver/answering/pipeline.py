"""One query's way, readable from top to bottom: question, policy, cache, upstream, answer.

`answer_now` is synchronous and never waits; what needs an upstream comes back as `Pending` and goes on in `resolve`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from resolver.answering.accounts import Accounts
from resolver.answering.answerer import Answerer, OwnAnswers
from resolver.answering.client import Client
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.client_places import ClientPlaces
from resolver.answering.clients import Clients
from resolver.answering.pending import Pending, PendingOwner
from resolver.answering.proxies import BY_CLIENT_SUBNET, BY_MAC
from resolver.answering.rates import Ration, ResponseRates, network_of
from resolver.answering.ready import ReadyAnswers
from resolver.answering.replies import Reply
from resolver.answering.resolution import Resolver
from resolver.answering.unlisted import UnlistedNames
from resolver.cache.entry import CacheEntry
from resolver.errors import FormatError, NotAQuery
from resolver.policy.moments import Moment
from resolver.policy.proved_names import mac_name
from resolver.policy.snapshot import PolicySnapshot
from resolver.snapshot.clocks import now
from resolver.telemetry.counters import Counters, Outcome
from resolver.telemetry.query_events import QueryEvents
from resolver.wire.answer import Answer
from resolver.wire.client_subnet import client_of_subnet, option_for
from resolver.wire.codes import MAX_MESSAGE, Ede, EdnsOption, Flag, Rcode
from resolver.wire.cookies import CookieProof
from resolver.wire.mac_options import mac_of
from resolver.wire.question import Question, carries_opt, parse_question
from resolver.wire.response import compose, ede_option, error_without_question, truncated
from resolver.wire.transport import Transport
from resolver.wire.tsig import with_record

__all__ = ["Pending", "Pipeline", "Transport"]

_CLIENT_SUBNET = int(EdnsOption.CLIENT_SUBNET)
_UDP: Final = Transport.UDP
_NOTAUTH = int(Rcode.NOTAUTH)


class Pipeline(PendingOwner):
    """Everything between a listener and its answer, for one worker."""

    def __init__(
        self,
        resolver: Resolver,
        snapshot: PolicySnapshot,
        bounds: ClientBounds,
        own: OwnAnswers,
        counters: Counters,
        events: QueryEvents | None = None,
        *,
        unlisted: UnlistedNames | None = None,
        clock: Callable[[], float] = time.monotonic,
        moment: Callable[[], Moment] = now,
    ) -> None:
        """`clock` gives monotonic seconds, `moment` the time that leases and exemptions end by; `unlisted` is told."""
        limits, rates = bounds.limits, bounds.rates
        self._resolver = resolver
        self._limits = limits
        self._counters = counters
        self.events = events or QueryEvents(None, "off", counters.dropped)
        self.unlisted = unlisted
        self._accounts = Accounts(counters, self.events)
        self._clock = clock
        self._replies = own.replies
        self._rates = rates
        self._response_rates = (
            ResponseRates(rates.responses_per_second, rates.slip, limits.response_rates, counters.dropped)
            if rates.responses_per_second
            else None
        )
        self.clients = Clients(bounds, self._accounts, counters.dropped, clock=clock, moment=moment)
        most_in_network = self.clients.networks.bound(limits.queries_in_flight_per_client, limits.queries_in_flight)
        self._places = ClientPlaces(limits.queries_in_flight_per_client, most_in_network, counters.dropped)
        self.ready = ReadyAnswers(self.clients, resolver, counters, self.events, own.replies)
        self._answering = Answerer(resolver, counters, self._accounts, snapshot, own, self.ready, clock)
        self.use(snapshot)

    def use(self, snapshot: PolicySnapshot) -> None:
        """Put a policy in force: answers judged by another one are forgotten with it."""
        self._accounts.forget()  # what is counted under which cell may be another matter now
        self.clients.use(snapshot)
        self._resolver.use_given(self._answering.use(snapshot))

    @property
    def snapshot(self) -> PolicySnapshot:
        """The policy in force."""
        return self._answering.snapshot

    def answer_now(self, query: bytes, client: Client, transport: Transport) -> bytes | Pending | None:
        """Answer from policy or cache. None: drop the query in silence. Pending: `resolve` it."""
        if transport is not _UDP:  # whose readers have looked
            ready = self.ready.answer(query, client, transport, self._clock())
            if ready is not None:
                return ready
        try:
            question = parse_question(query)
        except NotAQuery:
            self._counters.dropped["not_a_query"] += 1
            return None
        except FormatError as error:
            answer = error_without_question(query, error.rcode, edns=carries_opt(query))
            return self._malformed(answer, client, transport, error.rcode)
        outcome: bytes | Pending | None
        if question.options or self._response_rates is not None:
            outcome = self._answer_with(question, client, transport)
        else:
            outcome = self._admit(question, client, transport, None)
        if question.tsig and isinstance(outcome, bytes) and outcome[3] & 0xF == _NOTAUTH:
            return self._with_tsig(outcome, question, transport)
        return outcome

    def _with_tsig(self, answer: bytes, question: Question, transport: Transport) -> bytes:
        """The answer to who signs with a key that is not known, which is of every sort here."""
        whole = with_record(answer, question.tsig)
        most = question.max_size if transport is Transport.UDP else MAX_MESSAGE
        return whole if len(whole) <= most else truncated(question, _NOTAUTH)

    def _malformed(self, answer: bytes, client: Client, transport: Transport, rcode: int) -> bytes | None:
        """The answer to what cannot be read, if the client may still ask."""
        if not self.clients.admits(client):
            return None
        self._accounts.unreadable(Outcome.FAILED, client, client.group, transport, rcode)
        network = self._rated_network(client, transport)
        if network and self._rate(network, _ERRORS) is not Ration.SENT:
            return None  # there is no more to give over TCP
        return answer

    def _rated_network(self, client: Client, transport: Transport) -> bytes:
        """The network whose responses are counted; b"" where none are."""
        if self._response_rates is None or transport is not Transport.UDP or client.is_unlimited:
            return b""
        return network_of(client.packed)

    def _rate(self, network: bytes, kind: bytes) -> Ration:
        if self._response_rates is None:
            return Ration.SENT
        return self._response_rates.ration(network, kind, self._clock())

    def _answer_with(self, question: Question, client: Client, transport: Transport) -> bytes | Pending | None:
        """Answer a query whose reply carries something for its client alone, or is rated."""
        try:
            reply = self._replies.of(question, client, transport, self._clock())
        except FormatError as error:
            return self._malformed(compose(question, error.rcode), client, transport, error.rcode)
        if reply.cookie is not CookieProof.GOOD:  # else it is where it says, and nobody's victim
            reply.rated_network = self._rated_network(client, transport)
        outcome = self._admit(question, client, transport, reply)
        if isinstance(outcome, Pending):
            outcome.reply = reply
            return outcome
        return self._finished(outcome, question, reply)

    def _finished(self, answer: bytes, question: Question, reply: Reply) -> bytes | None:
        """The answer as it is sent; None where it is one too many."""
        if reply.rated_network:
            ration = self._rate(reply.rated_network, _KINDS.get(answer[3] & 0xF, _ERRORS) or question.cache_key)
            if ration is Ration.DROPPED:
                return None
            if ration is Ration.TRUNCATED:
                answer = truncated(question, answer[3] & 0xF)
        return reply.finish(answer, question)

    def _admit(self, question: Question, client: Client, transport: Transport, reply: Reply | None) -> bytes | Pending:
        """Answer a question if its client may ask it."""
        if client.words:
            named = self._behind(question, client, reply)
            if named is None:
                return self._answering.refuse(question, client, transport, _NOBODY)
            client = named
        if not client.allowed:
            return self._answering.refuse(question, client, transport, _NOT_OURS)
        if not self.clients.admits(client):
            return self._too_many(question, client, transport, reply)
        if question.tsig:  # to answer without a signature would look like tampering
            return self._answering.refuse(question, client, transport, b"", Rcode.NOTAUTH)
        if question.is_bare:
            return self._cookie_alone(question, client, transport, reply)
        return self._answering.answer(question, client, transport)

    def _behind(self, question: Question, proxy: Client, reply: Reply | None) -> Client | None:
        """For whom a trusted proxy asks; None where it does not say, or not so that it can be read: that is counted."""
        client = proxy
        subnet = question.options.get(_CLIENT_SUBNET) if proxy.words & BY_CLIENT_SUBNET else None
        if subnet is not None:
            named = client_of_subnet(subnet)
            if named is None:  # a network, or nobody
                self._counters.dropped["client_subnet"] += 1
                return None
            if reply is not None:
                reply.options += option_for(subnet)
            client = self.clients.at(named)  # (RFC 7871), and the answer is what it may see
            if client.packed == proxy.packed:
                client = client.itself()
        if proxy.words & BY_MAC and (mac := mac_of(question.options)) is not None:
            if not mac:
                self._counters.dropped["client_mac"] += 1
                return None
            is_proxys = client.packed == proxy.packed  # nobody has said which address: a machine behind it
            client = self.clients.at(client.address, mac_name(mac))
            client = client.itself() if is_proxys else client
        if client.lacks_word:
            self._counters.dropped["proxy_says_nothing"] += 1
            return None
        return client

    def _too_many(self, question: Question, client: Client, transport: Transport, reply: Reply | None) -> bytes:
        """The answer to a client that asks too often."""
        if self._rates.action == "truncate" and transport is Transport.UDP:
            # Who is where it says comes again by TCP, or with the cookie that we give it (RFC 7873 section 5.2.3).
            if reply is not None and reply.cookie in (CookieProof.UNKNOWN, CookieProof.BAD):
                return self._answering.refuse(question, client, transport, b"", Rcode.BADCOOKIE)
            return self._answering.refuse(question, client, transport, b"", Rcode.NOERROR, flags=Flag.TC)
        budgets = self.clients.budgets
        of = " from your network" if budgets.ended != "queries_per_second" else ""
        why = ede_option(Ede.OTHER, f"more than {budgets.per_second} queries per second{of}")
        return self._answering.refuse(question, client, transport, why)

    def _cookie_alone(self, question: Question, client: Client, transport: Transport, reply: Reply | None) -> bytes:
        """The answer to a query that only asks for a cookie, or whether its own is good (RFC 7873 section 5.4)."""
        if reply is None or reply.cookie is None:  # there are no cookies here
            rcode, outcome = Rcode.FORMERR, Outcome.FAILED
        else:
            rcode = Rcode.BADCOOKIE if reply.cookie is CookieProof.BAD else Rcode.NOERROR
            outcome = Outcome.CACHED
        self._accounts.unreadable(outcome, client, client.group, transport, rcode)
        return compose(question, rcode)

    def resolve(self, pending: Pending, send: Callable[[bytes], None]) -> None:
        """Ask an upstream and `send` an answer once; at the latest when the upstreams' time is over."""
        pending.send = send
        client = pending.client
        if not self._places.take(client):
            self._give(pending, self._answering.busy(pending))
            return
        pending.owner = self
        if not self._resolver.fetch(pending.question, pending):
            self._places.give_back(client)
            self._give(pending, self._answering.busy(pending))

    def may_have(self, pending: Pending, answer: Answer) -> bool:
        """See PendingOwner."""
        self._judge_anew(pending)
        return self._answering.may_have(answer, pending)

    def _judge_anew(self, pending: Pending) -> None:
        """Where something changed while a query waited, what is in force now judges the answer, name and targets."""
        snapshot = self._answering.snapshot
        client = self.clients.who_asked(pending.client)  # the address may be another person's by now
        if pending.snapshot is not snapshot or client is not pending.client:
            pending.client = client
            pending.decision = self._answering.decide(client, pending.question.key)

    def landed(self, pending: Pending, entry: CacheEntry) -> None:
        """See PendingOwner."""
        self._places.give_back(pending.client)
        self._judge_anew(pending)
        if self.unlisted is not None and not self._answering.is_given(pending.question.key):
            self.unlisted.note(pending, entry)
        answer = self._answering.answer_from(entry, pending, cached=False)
        if len(answer) > _SMALL_OCTETS and pending.transport is _UDP:
            answer = self._if_late(answer, pending)
        self._give(pending, answer)

    def _if_late(self, answer: bytes, pending: Pending) -> bytes:
        """A large answer, or a truncated one where it comes so late that it may be part of a pulse (DNSBomb).

        An attacker has small queries in somebody else's name wait for a slow server of his, and all answers leave at
        once. Who is where it says comes again by TCP, and the answer is in the cache by then.
        """
        if self._clock() - pending.began <= self._limits.late_answer_seconds:
            return answer
        if pending.reply is not None and pending.reply.cookie is CookieProof.GOOD:
            return answer
        self._counters.dropped["late_answer_seconds"] += 1
        return truncated(pending.question, answer[3] & 0xF)

    def _give(self, pending: Pending, answer: bytes) -> None:
        """Send an answer with what is added for its client; nothing where that is one too many."""
        if pending.reply is not None:
            finished = self._finished(answer, pending.question, pending.reply)
            if finished is None:
                return
            answer = finished
        if pending.send is not None:
            pending.send(answer)


_NOBODY = ede_option(Ede.PROHIBITED, "this proxy did not name its client: see clients.trusted_proxies")
_NOT_OURS = ede_option(Ede.PROHIBITED, "this resolver does not serve your network")
_SMALL_OCTETS = 300  # of an answer that amplifies little
_ERRORS = b"error"
_KINDS: dict[int, bytes] = {Rcode.NOERROR: b"", Rcode.NXDOMAIN: b"nxdomain"}  # rated by question (b""), or all alike
