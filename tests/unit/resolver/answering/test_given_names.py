"""Local names that the admin gives: before policy and upstreams, on every transport, and explained as such."""

from __future__ import annotations

import asyncio

import dns.message
import dns.rcode
import dns.reversename
import pytest

from resolver.answering.explaining import access_of, explain_query
from resolver.answering.local_names import LocalNames
from resolver.answering.pipeline import Transport
from resolver.answering.rebinding import RebindingGuard
from resolver.config.settings import EncryptedSettings, WorkerSettings
from resolver.policy.explain import Explanation
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.wire.local_records import LocalRecord
from resolver.wire.names import key_of, parse_name
from resolver.wire.question import parse_question
from tests.unit.resolver.answering.test_following import told
from tests.unit.resolver.answering.test_pipeline import Served, addresses, policy

GIVEN = (
    LocalRecord("printer.office.example", addresses=("192.168.0.7",), origin="local"),
    LocalRecord("*.lab.office.example", addresses=("10.0.0.1",), origin="local"),
    LocalRecord("intra.office.example", alias="printer.office.example", origin="local"),
    LocalRecord("far.office.example", alias="www.far.example", origin="/etc/hosts.office:3"),
    LocalRecord("chat.office.example", alias="acme.ai", origin="local"),
    LocalRecord("inner.acme.ai", addresses=("10.0.0.9",), origin="local"),
    LocalRecord("by.office.example", alias="inner.acme.ai", origin="local"),
    LocalRecord("round.office.example", alias="back.example", origin="local"),
    LocalRecord("router.home.arpa", addresses=("10.0.0.2",), origin="local"),
)


@pytest.fixture
async def served() -> Served:
    return Served(policy(), asyncio.get_running_loop(), local=GIVEN, guard=RebindingGuard(()))


async def test_a_local_name_is_answered_whatever_the_policy_and_asked_of_nobody(served: Served) -> None:
    for name, address in (
        ("printer.office.example", "192.168.0.7"),
        ("x.lab.office.example", "10.0.0.1"),
        ("intra.office.example", "192.168.0.7"),
        ("inner.acme.ai", "10.0.0.9"),
        ("by.office.example", "10.0.0.9"),
        ("router.home.arpa", "10.0.0.2"),
    ):
        assert addresses(served.ask(name)) == [address], name
    for name, address in (
        ("7.0.168.192.in-addr.arpa", "printer.office.example."),
        ("2.0.0.10.in-addr.arpa", "router.home.arpa."),
    ):
        (answer,) = served.ask(name, qtype="PTR")
        assert answer.answer[0][0].to_text() == address
    assert not served.upstream.asked
    assert served.counters.outcomes() == {"cached": 8}


async def test_names_beside_a_local_one_go_their_usual_way(served: Served) -> None:
    assert not served.ask("other.office.example")
    assert not served.ask("a.printer.office.example")
    assert served.upstream.names == ["other.office.example", "a.printer.office.example"]
    (blocked,) = served.ask("other.acme.ai")
    assert blocked.answer[0][0].to_text() == "0.0.0.0"


async def test_what_is_above_a_local_name_in_a_special_zone_exists(served: Served) -> None:
    (above,) = served.ask("0.0.10.in-addr.arpa", qtype="PTR")
    (beside,) = served.ask("1.0.10.in-addr.arpa", qtype="PTR")
    assert (above.rcode(), beside.rcode()) == (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


async def test_any_of_a_local_name_is_hinfo(served: Served) -> None:
    (answer,) = served.ask("printer.office.example", qtype="ANY")
    assert "RFC8482" in answer.answer[0][0].to_text()


async def test_any_of_what_is_not_there_below_a_wildcard_denies_it_as_an_address_does() -> None:
    given = (
        LocalRecord("*.lab.office.example", addresses=("10.0.0.1",), origin="local"),
        LocalRecord("a.b.lab.office.example", addresses=("10.0.0.2",), origin="local"),
    )
    served = Served(policy(), asyncio.get_running_loop(), local=given)
    for qtype in ("A", "ANY", "TXT"):
        (absent,) = served.ask("c.b.lab.office.example", qtype=qtype)
        assert (absent.rcode(), absent.answer) == (dns.rcode.NXDOMAIN, []), qtype
    (between,) = served.ask("b.lab.office.example", qtype="ANY")
    (below,) = served.ask("x.lab.office.example", qtype="ANY")
    assert all("RFC8482" in found.answer[0][0].to_text() for found in (between, below))


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_repeated_query_for_a_local_name_is_ready(served: Served, transport: Transport) -> None:
    client = served.pipeline.clients.at("127.0.0.1")
    query = dns.message.make_query("printer.office.example", "A").to_wire()
    assert served.pipeline.ready.answer(query, client, transport, served.now) is None
    first = served.pipeline.answer_now(query, client, transport)
    assert isinstance(first, bytes)
    assert served.pipeline.ready.answer(query, client, transport, served.now + 100_000) == first
    assert served.counters.outcomes() == {"cached": 2}


async def test_many_addresses_are_truncated_over_udp_alone() -> None:
    many = LocalRecord("many.example", addresses=tuple(f"2001:db8::{at:x}" for at in range(1, 65)))
    served = Served(policy(), asyncio.get_running_loop(), local=[many])
    client = served.pipeline.clients.at("127.0.0.1")
    query = dns.message.make_query("many.example", "AAAA", use_edns=0).to_wire()
    by_udp, by_tcp = (served.pipeline.answer_now(query, client, one) for one in (Transport.UDP, Transport.TCP))
    assert isinstance(by_udp, bytes) and isinstance(by_tcp, bytes)
    assert by_udp[2] & 0x02 and not by_tcp[2] & 0x02
    assert len(dns.message.from_wire(by_tcp).answer[0]) == 64


async def test_an_alias_to_a_name_that_is_not_local_is_followed_and_kept(served: Served) -> None:
    waiting = served.ask("far.office.example")
    assert (waiting, served.upstream.names) == ([], ["www.far.example"])
    served.upstream.answer("www.far.example. 200 IN A 192.0.2.1")
    expected = ["far.office.example. 200 IN CNAME www.far.example.", "www.far.example. 200 IN A 192.0.2.1"]
    assert told(waiting) == expected
    assert told(served.ask("far.office.example")) == expected
    assert not served.upstream.asked


async def test_a_local_alias_opens_no_blocked_name(served: Served) -> None:
    (blocked,) = served.ask("chat.office.example")
    assert [rdata.to_text() for rrset in blocked.answer for rdata in rrset] == ["0.0.0.0"]
    assert not served.upstream.asked, "nobody is asked for what the client may not have"
    waiting = served.ask("chat.office.example", "127.0.0.2")  # who is exempt may have it
    served.upstream.answer("acme.ai. 300 IN A 192.0.2.5")
    assert addresses(waiting) == ["192.0.2.5"]
    assert addresses(served.ask("chat.office.example")) == ["0.0.0.0"]


async def test_a_target_that_turns_out_to_be_blocked_is_blocked(served: Served) -> None:
    waiting = served.ask("far.office.example")
    served.upstream.answer("www.far.example. 200 IN CNAME acme.ai.", "acme.ai. 300 IN A 192.0.2.5")
    assert addresses(waiting) == ["0.0.0.0"]


async def test_a_policy_that_changes_while_an_alias_waits_does_not_judge_the_local_name() -> None:
    other = Served(policy(), asyncio.get_running_loop(), local=[LocalRecord("x.acme.ai", alias="www.far.example")])
    waiting = other.ask("x.acme.ai")
    other.pipeline.use(policy())
    other.upstream.answer("www.far.example. 200 IN A 192.0.2.1")
    assert addresses(waiting) == ["192.0.2.1"]


async def test_a_name_that_was_denied_above_a_local_alias_does_not_deny_it(served: Served) -> None:
    soa = "office.example. 300 IN SOA ns.office.example. host.office.example. 1 2 3 4 60"
    served.ask("office.example")
    served.upstream.answer(authority=(soa,), rcode=3, authentic=True)
    waiting = served.ask("far.office.example")
    served.upstream.answer("www.far.example. 200 IN A 192.0.2.1")
    assert addresses(waiting) == ["192.0.2.1"]


async def test_an_alias_is_had_anew_from_its_target_alone(served: Served) -> None:
    served.ask("far.office.example")
    served.upstream.answer("www.far.example. 200 IN A 192.0.2.1")
    served.now += 190
    served.ask("far.office.example")
    assert served.upstream.names == ["www.far.example"], "a prefetch asks nobody for the local name"


async def test_nobody_outside_leads_browsers_to_a_private_address_by_a_local_name(served: Served) -> None:
    waiting = served.ask("rebind.example")
    served.upstream.answer("rebind.example. 300 IN CNAME printer.office.example.")
    (answer,) = waiting
    assert not served.upstream.asked
    assert "192.168.0.7" not in answer.to_text()


async def test_aliases_that_come_round_fail(served: Served) -> None:
    waiting = served.ask("round.office.example")
    served.upstream.answer("back.example. 300 IN CNAME round.office.example.")
    (answer,) = waiting
    assert answer.rcode() == dns.rcode.SERVFAIL
    assert served.resolver.waiting == 0


def test_a_wildcard_leaves_the_designation_of_this_server_alone() -> None:
    encrypted = EncryptedSettings(server_name="dns.office.example", dot_ports=(853,))
    names = LocalNames((), encrypted, [LocalRecord("*.office.example", addresses=("10.0.0.1",))])
    question = parse_question(dns.message.make_query("_dns.dns.office.example", "SVCB").to_wire())
    assert names.given is not None and names.given.find(question.key) is None
    answer = names.answer(question)
    assert answer is not None
    assert dns.message.from_wire(answer).answer[0].rdtype.name == "SVCB"
    assert names.given.find(key_of(parse_name("dns.office.example"))) is not None


def explained(name: str, qtype: str = "A", client: str = "127.0.0.1") -> Explanation:
    access = access_of(WorkerSettings(local=GIVEN))
    return explain_query(policy(), access, parse_name(name), client=client, qtype=qtype, subjects=Subjects(), now=now())


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("printer.office.example", "printer.office.example of the config's key local, without policy or upstream"),
        ("inner.acme.ai", "inner.acme.ai of the config's key local, without policy or upstream"),
        ("x.lab.office.example", "*.lab.office.example of the config's key local, without policy or upstream"),
        (
            dns.reversename.from_address("192.168.0.7").to_text().rstrip("."),
            "the address of printer.office.example of the config's key local, without policy or upstream",
        ),
    ],
)
def test_a_local_name_is_explained_by_where_it_is_given(name: str, detail: str) -> None:
    explanation = explained(name)
    assert explanation.verdict == "allow"
    assert [(step.step, step.outcome, step.detail) for step in explanation.trace] == [
        ("local", "answered here", detail)
    ]


def test_an_alias_is_explained_by_where_it_is_given_and_then_by_its_target() -> None:
    explanation = explained("far.office.example")
    first, *others = explanation.trace
    assert first.detail == (
        "far.office.example of /etc/hosts.office:3 stands for www.far.example; www.far.example is asked for as any "
        "name is, and the policy decides on it"
    )
    assert (explanation.name, explanation.verdict) == ("far.office.example", "allow")
    assert [step.step for step in others][-1] == "response"
    blocked = explained("chat.office.example")
    assert (blocked.verdict, blocked.service, blocked.rule) == ("block", "acme/chat", "acme.ai")
    assert explained("chat.office.example", client="127.0.0.2").verdict == "exempt"
    assert [step.step for step in explained("chat.office.example", "CNAME").trace] == ["local"]
