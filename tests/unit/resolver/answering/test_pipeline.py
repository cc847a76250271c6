"""The pipeline with a real policy and cache, and upstreams that say what a test wants."""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc
from collections.abc import Callable, Sequence

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import pytest

from resolver.answering.answerer import OwnAnswers
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.local_names import LocalNames
from resolver.answering.pipeline import Pending, Pipeline, Transport
from resolver.answering.rebinding import RebindingGuard
from resolver.answering.resolution import Resolver
from resolver.cache.responses import ResponseCache
from resolver.config.settings import CacheSettings, Limits
from resolver.errors import UpstreamError, UpstreamTimeout
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.policy.moments import End, Moment
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Lease
from resolver.snapshot.clocks import now
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import QueryEvents
from resolver.wire.local_records import LocalRecord
from resolver.wire.names import to_text

Done = Callable[[bytes | UpstreamError], None]


class Upstream:
    """Keeps the questions until a test answers them."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, Done]] = []

    def ask(self, question: bytes, *, dnssec_ok: bool, checking_disabled: bool, done: Done) -> None:
        self.asked.append((question, done))

    @property
    def names(self) -> list[str]:
        """The names that are with it."""
        return [to_text(question[:-4]) for question, _ in self.asked]

    def answer(
        self, *lines: str, authority: tuple[str, ...] = (), rcode: int = 0, authentic: bool = False, place: int = 0
    ) -> None:
        """Answer the oldest question, or that at a `place`, with records in presentation form."""
        question, done = self.asked.pop(place)
        query = dns.message.from_wire(b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question)
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.Rcode.make(rcode))
        if authentic:
            response.flags |= dns.flags.AD
        for section, texts in ((response.answer, lines), (response.authority, authority)):
            for line in texts:
                owner, ttl, rdclass, rdtype, *rdata = line.split()
                section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, " ".join(rdata)))
        done(response.to_wire())

    def fail(self, error: UpstreamError, place: int = 0) -> None:
        """Tell the oldest question, or that at a `place`, that there is no answer."""
        _, done = self.asked.pop(place)
        done(error)


def policy(*, allow: tuple[str, ...] = (), exempt: str = "127.0.0.2/32") -> PolicySnapshot:
    rules = [
        RuleSource(Source("acme/chat", Rank.BUNDLED), [SourceRule(parse_rule("acme.ai"))]),
        RuleSource(Source("house", Rank.OWN), [SourceRule(parse_rule(text), allow=True) for text in allow]),
    ]
    block = frozenset({"acme/chat", "house"})
    groups = [CompiledGroup("default", block=block), CompiledGroup("lab", networks=(exempt,), exempt=True, block=block)]
    return policy_in_memory(compile_rules(rules), compile_groups(groups, []))


class Served:
    """A pipeline that a test asks as a client would."""

    def __init__(
        self,
        snapshot: PolicySnapshot,
        loop: asyncio.AbstractEventLoop,
        *,
        guard: RebindingGuard | None = None,
        local: Sequence[LocalRecord] = (),
        counters: Counters | None = None,
        sink: socket.socket | None = None,
        moment: Callable[[], Moment] = now,
        **limits: int,
    ) -> None:
        """`sink` takes the query log, of all queries."""
        self.now = 1000.0
        self.upstream = Upstream()
        self.counters = counters or Counters()
        settings = CacheSettings()
        local_names = LocalNames(local=local)
        self.resolver = resolver = Resolver(
            self.upstream,
            ResponseCache(settings),
            settings,
            max_in_flight=100,
            max_in_flight_per_domain=50,
            dropped=self.counters.dropped,
            loop=loop,
            guard=guard,
            local_names=local_names,
            clock=lambda: self.now,
        )
        self.pipeline = Pipeline(
            resolver,
            snapshot,
            ClientBounds(("127.0.0.0/8", "2001:db8::/32"), Limits(**limits)),  # type: ignore[arg-type]
            OwnAnswers(local_names),
            self.counters,
            QueryEvents(sink, "off" if sink is None else "all", self.counters.dropped),
            clock=lambda: self.now,
            moment=moment,
        )

    def ask(
        self,
        name: str,
        client: str = "127.0.0.1",
        qtype: str = "A",
        *,
        client_name: str = "",
        dnssec: bool = False,
        authentic: bool = False,
    ) -> list[dns.message.Message]:
        """Ask; the list holds the answer once there is one. `authentic`: the client wants to know (AD)."""
        answers: list[dns.message.Message] = []
        query = dns.message.make_query(name, qtype, use_edns=0, want_dnssec=dnssec)
        if authentic:
            query.flags |= dns.flags.AD

        def take(answer: bytes) -> None:
            response = dns.message.from_wire(answer)
            assert query.is_response(response)
            answers.append(response)

        outcome = self.pipeline.answer_now(
            query.to_wire(), self.pipeline.clients.at(client, client_name), Transport.UDP
        )
        if isinstance(outcome, Pending):
            self.pipeline.resolve(outcome, take)
        elif outcome is not None:
            take(outcome)
        return answers


@pytest.fixture
async def served() -> Served:
    return Served(policy(), asyncio.get_running_loop())


def addresses(answers: list[dns.message.Message]) -> list[str]:
    (answer,) = answers
    return [rdata.to_text() for rrset in answer.answer for rdata in rrset if rrset.rdtype == 1]


async def test_answers_of_an_earlier_policy_are_free_at_once(served: Served) -> None:
    query = dns.message.make_query("acme.ai", "A").to_wire()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            for client in ("127.0.0.1", "127.0.0.2"):
                served.pipeline.answer_now(query, served.pipeline.clients.at(client), Transport.UDP)
            served.pipeline.use(policy())
        assert gc.collect() == 0, "what is in cycles waits for a look at everything, which is seldom"
    finally:
        gc.enable()


async def test_clients_of_different_views_who_wait_for_one_answer_are_each_judged(served: Served) -> None:
    exempt, other = served.ask("alias.example", "127.0.0.2"), served.ask("alias.example")
    assert len(served.upstream.asked) == 1
    served.upstream.answer("alias.example. 300 IN CNAME acme.ai.", "acme.ai. 300 IN A 192.0.2.1")
    assert addresses(exempt) == ["192.0.2.1"]
    assert addresses(other) == ["0.0.0.0"]


async def test_the_policy_in_force_when_the_answer_comes_judges_it(served: Served) -> None:
    waiting = served.ask("acme.ai", "127.0.0.2")
    served.pipeline.use(policy(exempt="127.0.0.3/32"))
    served.upstream.answer("acme.ai. 300 IN A 192.0.2.1")
    assert addresses(waiting) == ["0.0.0.0"]


async def test_an_answer_given_despite_a_block_has_a_ttl_of_at_most_60(served: Served) -> None:
    waiting = served.ask("acme.ai", "127.0.0.2")
    served.upstream.answer("acme.ai. 86400 IN A 192.0.2.1")
    assert waiting[0].answer[0].ttl == 60
    (again,) = served.ask("acme.ai", "127.0.0.2")
    assert again.answer[0].ttl == 60


async def test_an_allowed_name_that_leads_to_a_blocked_one_goes_through_with_a_capped_ttl() -> None:
    served = Served(policy(allow=("portal.example",)), asyncio.get_running_loop())
    waiting = served.ask("portal.example")
    served.upstream.answer("portal.example. 86400 IN CNAME acme.ai.", "acme.ai. 86400 IN A 192.0.2.1")
    assert addresses(waiting) == ["192.0.2.1"]
    assert {rrset.ttl for rrset in waiting[0].answer} == {60}


async def test_ttls_count_down_between_repeated_queries(served: Served) -> None:
    served.ask("plain.example")
    served.upstream.answer("plain.example. 300 IN A 192.0.2.1")
    ttls = []
    for served.now in (1000.5, 1001.2, 1002.0, 1299.9):
        (answer,) = served.ask("plain.example")
        ttls.append(answer.answer[0].ttl)
    assert ttls == [300, 299, 298, 1]
    assert not served.upstream.asked or served.now > 1270  # near its end it is asked for again


async def test_failures_are_told_with_the_reason_and_remembered_for_a_second(served: Served) -> None:
    waiting = served.ask("plain.example")
    _, done = served.upstream.asked.pop(0)
    done(UpstreamTimeout("no answer from udp://192.0.2.53:53"))
    assert waiting[0].rcode() == dns.rcode.SERVFAIL
    assert waiting[0].options[0].code == 22  # type: ignore[attr-defined]
    assert served.ask("plain.example")[0].rcode() == dns.rcode.SERVFAIL
    assert not served.upstream.asked
    served.now += 1.1
    assert served.ask("plain.example") == []
    assert len(served.upstream.asked) == 1


@pytest.mark.parametrize(("shown", "meant"), [("fe80::1%eth0", "fe80::1"), ("::1.2.3.4", "::102:304")])
async def test_a_lease_reaches_a_client_whose_socket_spells_its_address_otherwise(
    served: Served, shown: str, meant: str
) -> None:
    clients = served.pipeline.clients
    assert clients.at(shown).group == "default"
    moment = now()
    clients.take([Lease(meant, "ana", "lab", End.at(moment.wall + 60, moment)).to_plain()])
    assert clients.at(shown).group == "lab"


@pytest.mark.slow
async def test_a_lease_that_is_renewed_all_the_time_takes_no_more_memory(served: Served) -> None:
    clients, moment = served.pipeline.clients, now()

    def renewed(times: int) -> None:
        for time in range(times):
            clients.take([Lease("127.0.0.1", "ana", "lab", End.at(moment.wall + 604_800 + time, moment)).to_plain()])
            assert clients.at("127.0.0.1").group == "lab"

    renewed(3_000)
    tracemalloc.start()
    try:
        renewed(6_000)
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()


async def test_an_old_answer_stands_in_while_the_upstreams_fail(served: Served) -> None:
    served.ask("plain.example")
    served.upstream.answer("plain.example. 10 IN A 192.0.2.1")
    served.now += 100
    waiting = served.ask("plain.example")
    _, done = served.upstream.asked.pop(0)
    done(UpstreamTimeout("silence"))
    assert addresses(waiting) == ["192.0.2.1"]
    assert waiting[0].answer[0].ttl == 30
    assert waiting[0].options[0].code == 3  # type: ignore[attr-defined]


def asks(served: Served, *, dnssec: bool, unchecked: bool, qtype: str = "A") -> list[dns.message.Message]:
    """Ask for plain.example with or without DO and CD; the list holds the answer once there is one."""
    query = dns.message.make_query("plain.example", qtype, want_dnssec=dnssec, use_edns=0)
    query.flags |= dns.flags.CD if unchecked else 0
    answers: list[dns.message.Message] = []
    pipeline = served.pipeline
    outcome = pipeline.answer_now(query.to_wire(), pipeline.clients.at("127.0.0.1"), Transport.UDP)
    if isinstance(outcome, Pending):
        pipeline.resolve(outcome, lambda answer: answers.append(dns.message.from_wire(answer)))
    elif outcome is not None:
        answers.append(dns.message.from_wire(outcome))
    return answers


DO, CD = {"dnssec": True, "unchecked": False}, {"dnssec": False, "unchecked": True}
NEITHER, BOTH = {"dnssec": False, "unchecked": False}, {"dnssec": True, "unchecked": True}


@pytest.mark.parametrize(
    ("kept", "asked", "is_given"),
    [
        (NEITHER, DO, True),
        (NEITHER, CD, True),
        (NEITHER, BOTH, True),
        (DO, BOTH, True),
        (CD, BOTH, True),
        (DO, NEITHER, False),  # who has not asked for signatures gets none
        (CD, NEITHER, False),  # nor anybody what was not validated, unless he wants it so
        (CD, DO, False),
        (BOTH, DO, False),
    ],
)
async def test_an_old_answer_kept_for_who_asks_for_less_is_given_rather_than_a_failure(
    served: Served, kept: dict[str, bool], asked: dict[str, bool], is_given: bool
) -> None:
    asks(served, **kept)
    served.upstream.answer("plain.example. 10 IN A 192.0.2.1")
    served.now += 100
    for wait in (0.0, 0.5, 40.0):
        served.now += wait
        answers = asks(served, **asked)
        if not answers:
            _, done = served.upstream.asked.pop(0)
            done(UpstreamTimeout("silence"))
        assert answers[0].rcode() == (dns.rcode.NOERROR if is_given else dns.rcode.SERVFAIL)
        assert addresses(answers) == (["192.0.2.1"] if is_given else [])
        assert not is_given or answers[0].options[0].code == 3  # type: ignore[attr-defined]
    assert asks(served, **asked, qtype="AAAA") == []


async def test_an_old_answer_without_signatures_goes_to_who_has_waited_long_enough_for_some(served: Served) -> None:
    asks(served, **DO)
    asks(served, **NEITHER)
    served.upstream.asked.reverse()
    served.upstream.answer("plain.example. 10 IN A 192.0.2.1")
    served.now += 100
    late = asks(served, **DO)  # joins the first, whose time is over
    await asyncio.sleep(0.05)
    assert addresses(late) == ["192.0.2.1"]
    served.upstream.answer("plain.example. 10 IN A 192.0.2.2")
    assert addresses(asks(served, **DO)) == ["192.0.2.2"]


async def test_a_new_answer_with_signatures_takes_the_place_of_an_old_one_without(served: Served) -> None:
    asks(served, **NEITHER)
    served.upstream.answer("plain.example. 10 IN A 192.0.2.1")
    served.now += 100
    asks(served, **DO)
    served.upstream.asked.pop(0)[1](UpstreamTimeout("silence"))
    assert addresses(asks(served, **DO)) == ["192.0.2.1"]
    served.now += 31
    answers = asks(served, **DO)
    served.upstream.answer("plain.example. 10 IN A 192.0.2.2")
    assert addresses(answers) == addresses(asks(served, **DO)) == ["192.0.2.2"]


async def test_one_client_cannot_take_all_places_in_flight() -> None:
    served = Served(policy(), asyncio.get_running_loop(), queries_in_flight_per_client=3)
    for number in range(3):
        assert served.ask(f"n{number}.example") == []
    assert served.ask("n3.example")[0].rcode() == dns.rcode.SERVFAIL
    assert served.ask("n3.example", "127.0.0.2") == []
    served.upstream.answer()
    assert served.ask("n4.example") == []
    assert served.counters.dropped["queries_in_flight_per_client"] == 1


async def test_one_network_of_ipv6_cannot_take_all_places_in_flight() -> None:
    limits = {"queries_in_flight_per_client": 3, "queries_in_flight": 20}  # of which a network has ten
    served = Served(policy(), asyncio.get_running_loop(), **limits)
    answers = [served.ask(f"n{number}.example{number}", f"2001:db8::{number:x}") for number in range(15)]
    assert [answer[0].rcode() for answer in answers if answer] == [dns.rcode.SERVFAIL] * 5
    assert served.ask("m.example", "2001:db8:0:1::1") == served.ask("m.example", "127.0.0.1") == []
    assert served.counters.dropped["queries_in_flight_per_network"] == 5
    while served.upstream.asked:
        served.upstream.answer()
    assert served.ask("n.example", "2001:db8::ff") == []
    assert served.counters.dropped["queries_in_flight_per_network"] == 5


@pytest.mark.parametrize(
    ("client", "transport", "qtype", "signed"),
    [
        ("127.0.0.1", Transport.UDP, "A", True),
        ("127.0.0.2", Transport.TCP, "AXFR", True),
        ("127.0.0.1", Transport.HTTPS, "ANY", True),
        ("192.0.2.1", Transport.UDP, "A", False),  # who is not served is told that, whatever the key
    ],
)
async def test_a_signed_query_is_answered_with_notauth_and_a_tsig_record(
    served: Served, client: str, transport: Transport, qtype: str, signed: bool
) -> None:
    cookie = dns.edns.GenericOption(10, b"abcdefgh")
    query = dns.message.make_query("acme.ai", qtype, use_edns=0, options=[cookie])
    query.use_tsig(dns.tsig.Key("key.example.", b"not known", dns.tsig.HMAC_SHA256))
    outcome = served.pipeline.answer_now(query.to_wire(), served.pipeline.clients.at(client), transport)
    assert isinstance(outcome, bytes)
    answer = dns.message.from_wire(outcome, keyring=False)
    assert (answer.rcode(), answer.tsig is not None) == ((9, True) if signed else (dns.rcode.REFUSED, False))
    assert answer.tsig is None or answer.tsig[0].error == 17


async def test_names_of_one_domain_cannot_take_all_places_in_flight(served: Served) -> None:
    answers = [served.ask(f"random{number}.Flooded.co.uk", f"127.0.1.{number}") for number in range(60)]
    assert sum(answer[0].rcode() == dns.rcode.SERVFAIL for answer in answers if answer) == 10
    assert served.counters.dropped["queries_in_flight_per_domain"] == 10
    assert served.ask("other.co.uk") == []
    served.upstream.answer()
    assert served.ask("another.flooded.co.uk") == []


async def test_those_who_join_a_question_count_and_all_places_come_back(served: Served) -> None:
    for number in range(49):
        assert served.ask("same.example", f"127.0.1.{number}") == []
    assert len(served.upstream.asked) == 1
    assert served.ask("b.same.example") == []
    assert served.ask("c.same.example")[0].rcode() == dns.rcode.SERVFAIL
    while served.upstream.asked:
        _, done = served.upstream.asked.pop()
        done(UpstreamTimeout("silence"))
    for number in range(50):
        assert served.ask(f"d{number}.same.example") == []
    assert served.ask("e.same.example")[0].rcode() == dns.rcode.SERVFAIL


async def test_a_name_asked_in_other_letter_case_is_answered_in_that_case(served: Served) -> None:
    served.ask("plain.example")
    served.upstream.answer("plain.example. 300 IN A 192.0.2.1")
    (answer,) = served.ask("PLAIN.example")
    assert answer.question[0].name.to_text() == "PLAIN.example."
    assert not served.upstream.asked


async def test_a_client_outside_of_clients_allow_is_refused(served: Served) -> None:
    (answer,) = served.ask("plain.example", "192.0.2.9")
    assert answer.rcode() == dns.rcode.REFUSED
    assert answer.options[0].code == 18  # type: ignore[attr-defined]
    assert not served.upstream.asked


async def test_a_failure_is_told_within_the_size_that_the_client_takes_and_without_the_upstreams_names(
    served: Served,
) -> None:
    waiting = served.ask("plain.example")
    _, done = served.upstream.asked.pop(0)
    done(UpstreamTimeout("no answer from " + ", ".join(f"udp://192.0.2.{n}:53" for n in range(200))))
    assert "192.0.2" not in waiting[0].to_text()


async def test_a_question_that_cannot_be_asked_is_told_and_gives_its_place_back(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    fault = RuntimeError("a fault of ours")

    def ask(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(served.upstream, "ask", ask)
    (failed,) = served.ask("plain.example")
    assert (failed.rcode(), reported) == (dns.rcode.SERVFAIL, [fault])
    monkeypatch.undo()
    served.now += 2
    again = served.ask("plain.example")
    served.upstream.answer("plain.example. 300 IN A 192.0.2.9")
    assert addresses(again) == ["192.0.2.9"]


async def test_a_waiter_that_fails_costs_the_others_nothing(served: Served) -> None:
    query = dns.message.make_query("plain.example", "A").to_wire()
    client = served.pipeline.clients.at("127.0.0.1")
    pending = served.pipeline.answer_now(query, client, Transport.UDP)
    assert isinstance(pending, Pending)
    troubles: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))

    def fail(_: bytes) -> None:
        raise RuntimeError

    served.pipeline.resolve(pending, fail)
    other = served.ask("plain.example")
    served.upstream.answer("plain.example. 300 IN A 192.0.2.1")
    assert addresses(other) == ["192.0.2.1"]
    assert len(troubles) == 1


@pytest.mark.parametrize(
    ("qtype", "rcode"),
    [
        *((qtype, dns.rcode.NOTIMP) for qtype in ("AXFR", "IXFR", "TSIG", "TKEY", "TYPE0", "TYPE129")),
        ("NXNAME", dns.rcode.FORMERR),  # RFC 9824
        ("OPT", dns.rcode.FORMERR),
    ],
)
async def test_types_that_are_no_data_of_a_name_never_go_upstream(
    served: Served, qtype: str, rcode: dns.rcode.Rcode
) -> None:
    query = dns.message.make_query("plain.example", "A").to_wire()
    number = dns.rdatatype.from_text(qtype)
    query = query[:-4] + int(number).to_bytes(2, "big") + query[-2:]
    answer = served.pipeline.answer_now(query, served.pipeline.clients.at("127.0.0.1"), Transport.UDP)
    assert isinstance(answer, bytes)
    assert answer[3] & 0xF == rcode
    assert not served.upstream.asked


async def test_a_query_with_a_huge_option_is_answered_and_not_kept(served: Served) -> None:
    option = dns.edns.GenericOption(65002, bytes(60_000))
    query = dns.message.make_query("acme.ai", "A", use_edns=0, payload=65535, options=[option])
    client = served.pipeline.clients.at("127.0.0.1")
    wire = query.to_wire(max_size=65535)
    assert isinstance(served.pipeline.answer_now(wire, client, Transport.TCP), bytes)
    assert not client.answers.tables[Transport.TCP].entries
