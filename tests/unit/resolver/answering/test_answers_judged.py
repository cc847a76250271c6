"""What an answer leads to: addresses that lists name, and private addresses in names of the internet."""

from __future__ import annotations

import asyncio
import ipaddress

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answering.rebinding import RebindingGuard
from resolver.errors import FormatError, RuleError
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.addresses import addresses_in, is_private
from resolver.wire.answer import Answer
from resolver.wire.answer_reader import read_answer
from resolver.wire.ip_keys import is_ip_key, key_of_address, key_of_network, network_of_key
from resolver.wire.names import key_of, parse_name
from tests.unit.resolver.answering.test_pipeline import Served

BLOCKED_NETWORK = "ip:192.0.2.0/24"


def policy(*rules: str, allow: tuple[str, ...] = (), monitor: bool = False, revision: int = 0) -> PolicySnapshot:
    own = [SourceRule(parse_rule(text)) for text in rules]
    own += [SourceRule(parse_rule(text), allow=True) for text in allow]
    groups = [
        CompiledGroup("default", block=frozenset({"house"}), monitor=monitor),
        CompiledGroup("lab", networks=("127.0.0.2/32",), exempt=True, block=frozenset({"house"})),
    ]
    rules = compile_rules([RuleSource(Source("house", Rank.OWN), own)])
    return policy_in_memory(rules, compile_groups(groups, []), revision)


def served(snapshot: PolicySnapshot) -> Served:
    return Served(snapshot, asyncio.get_running_loop())


def asked(one: Served, *lines: str, client: str = "127.0.0.1", qtype: str = "A") -> dns.message.Message:
    answers = one.ask("www.example", client, qtype)
    if not answers:
        one.upstream.answer(*lines)
    return answers[0]


@pytest.mark.parametrize(
    ("rule", "address", "blocked"),
    [
        (BLOCKED_NETWORK, "192.0.2.7", True),
        (BLOCKED_NETWORK, "192.0.3.7", False),
        ("ip:192.0.2.7", "192.0.2.7", True),
        ("ip:192.0.2.7", "192.0.2.8", False),
        ("ip:192.0.2.128/25", "192.0.2.127", False),
    ],
)
async def test_an_answer_with_an_address_of_a_list_is_blocked_with_the_reason(
    rule: str, address: str, blocked: bool
) -> None:
    response = asked(served(policy(rule)), f"www.example. 300 IN A {address}")
    addresses = [rdata.address for rrset in response.answer for rdata in rrset]
    assert addresses == (["0.0.0.0"] if blocked else [address])
    assert ("house is blocked" in str(response)) is blocked


async def test_one_blocked_address_blocks_the_whole_answer() -> None:
    response = asked(
        served(policy(BLOCKED_NETWORK)), "www.example. 300 IN A 198.51.100.1", "www.example. 300 IN A 192.0.2.1"
    )
    assert [rdata.address for rrset in response.answer for rdata in rrset] == ["0.0.0.0"]


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::192.0.2.1",
        "64:ff9b:1::192.0.2.1",
        "64:ff9b:1:c000:2:100::",
        "2002:c000:201::1",
        "::192.0.2.1",
        "::ffff:192.0.2.1",
    ],
)
async def test_an_ipv4_address_inside_ipv6_is_judged_as_that_address(address: str) -> None:
    one = served(policy(BLOCKED_NETWORK))
    assert asked(one, f"www.example. 300 IN AAAA {address}", qtype="AAAA").answer[0][0].address == "::"
    hinted = asked(one, f"www.example. 300 IN HTTPS 1 . ipv6hint={address}", qtype="HTTPS")
    assert not hinted.answer
    other = served(policy("ip:203.0.113.0/24"))
    assert asked(other, f"www.example. 300 IN AAAA {address}", qtype="AAAA").answer[0][0].address != "::"


async def test_a_rule_for_a_translators_own_prefix_counts_where_none_speaks_of_the_ipv4_address() -> None:
    one = served(policy("ip:64:ff9b::/96", allow=("ip:198.51.100.0/24",)))
    assert asked(one, "www.example. 300 IN AAAA 64:ff9b::c000:201", qtype="AAAA").answer[0][0].address == "::"
    two = served(policy("ip:64:ff9b::/96", allow=("ip:198.51.100.0/24",)))
    answer = asked(two, "www.example. 300 IN AAAA 64:ff9b::c633:6401", qtype="AAAA").answer
    assert answer[0][0].address == "64:ff9b::c633:6401"


@pytest.mark.parametrize("hints", ["ipv4hint=198.51.100.1,192.0.2.1", "ipv6hint=2001:db8::1"])
async def test_address_hints_are_judged_too(hints: str) -> None:
    one = served(policy(BLOCKED_NETWORK, "ip:2001:db8::/32"))
    response = asked(one, f"www.example. 300 IN HTTPS 1 . alpn=h2 {hints}", qtype="HTTPS")
    assert not response.answer


async def test_an_exempt_client_that_asks_first_warms_nothing_for_the_others() -> None:
    one = served(policy(BLOCKED_NETWORK))
    assert asked(one, "www.example. 300 IN A 192.0.2.1", client="127.0.0.2").answer[0].ttl <= 60
    assert asked(one).answer[0][0].address == "0.0.0.0"
    assert asked(one, client="127.0.0.2").answer[0][0].address == "192.0.2.1"


async def test_many_addresses_are_judged_for_each_view_and_each_policy() -> None:
    one = served(policy(BLOCKED_NETWORK))
    many = [f"www.example. 300 IN A 198.51.100.{number}" for number in range(30)]
    assert len(asked(one, *many, "www.example. 300 IN A 192.0.2.1", client="127.0.0.2").answer[0]) == 31
    for name in ("www.example", "WWW.example", "wwW.example"):  # none of which an answer is ready for
        assert [str(each) for each in one.ask(name)[0].answer[0]] == ["0.0.0.0"]
        assert len(one.ask(name, "127.0.0.2")[0].answer[0]) == 31
    one.pipeline.use(policy("ip:203.0.113.0/24", revision=1))
    assert len(asked(one).answer[0]) == 31


async def test_an_allow_rule_for_a_name_lets_its_addresses_through() -> None:
    response = asked(served(policy(BLOCKED_NETWORK, allow=("www.example",))), "www.example. 300 IN A 192.0.2.1")
    assert response.answer[0][0].address == "192.0.2.1"


async def test_the_longer_network_decides() -> None:
    one = served(policy(BLOCKED_NETWORK, allow=("ip:192.0.2.64/26",)))
    assert asked(one, "www.example. 300 IN A 192.0.2.65").answer[0][0].address == "192.0.2.65"


async def test_a_watched_group_gets_the_answer_and_it_is_counted() -> None:
    one = served(policy(BLOCKED_NETWORK, monitor=True))
    assert asked(one, "www.example. 300 IN A 192.0.2.1").answer[0][0].address == "192.0.2.1"
    assert one.counters.outcomes()["forwarded_monitored"] == 1


async def test_an_address_is_not_searched_by_expressions() -> None:
    one = served(policy("ip:192.0.2.1", "/0+1/"))  # an expression that its bits would match
    assert asked(one, "www.example. 300 IN A 198.51.100.1").answer[0][0].address == "198.51.100.1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ip:192.0.2.0/24", "ip:192.0.2.0/24"),
        ("IP: 192.0.2.7", "ip:192.0.2.7"),
        ("ip:192.0.2.7/32", "ip:192.0.2.7"),
        ("ip:2001:DB8::/32", "ip:2001:db8::/32"),
        ("ip:::ffff:192.0.2.0/120", "ip:192.0.2.0/24"),
    ],
)
def test_a_rule_for_addresses_has_one_form(text: str, shown: str) -> None:
    assert parse_rule(text).text == shown


@pytest.mark.parametrize("text", ["ip:", "ip:example.com", "ip:192.0.2.1/24", "ip:10.0.0.0/7", "ip:::/0", "ip:1.2.3"])
def test_a_rule_that_is_no_network_or_too_wide_is_refused(text: str) -> None:
    with pytest.raises(RuleError, match="ip:"):
        parse_rule(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_s_key_is_a_prefix_of_its_addresses_keys_alone(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int
) -> None:
    network = ipaddress.ip_network((address, min(bits, address.max_prefixlen)), strict=False)
    if any(getattr(end, "ipv4_mapped", None) for end in (network[0], network[-1])):
        return  # addresses that are taken for the IPv4 addresses that they are
    key = key_of_network(network)
    assert network_of_key(key) == network
    assert is_ip_key(key)
    assert key_of_address(network[-1].packed).startswith(key)
    beyond = int(network[-1]) + 1
    if beyond < 1 << address.max_prefixlen:
        outside = type(address)(beyond).packed
        if not outside.startswith(bytes(10) + b"\xff\xff"):
            assert not key_of_address(outside).startswith(key)


# The guard against rebinding


def read(
    name: str,
    *lines: str,
    qtype: str = "A",
    private: tuple[str, ...] = (),
    authentic: bool = False,
    dnssec: bool = False,
) -> tuple[Answer, RebindingGuard]:
    query = dns.message.make_query(name, qtype)
    response = dns.message.make_response(query)
    if authentic:
        response.flags |= dns.flags.AD
    for line in lines:
        owner, ttl, rdclass, rdtype, *rdata = line.split()
        section = response.authority if rdtype == "NS" else response.answer
        section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, " ".join(rdata)))
    message, qname, number = response.to_wire(), parse_name(name), int(query.question[0].rdtype)
    guard = RebindingGuard(key_of(parse_name(text)) for text in private)
    answer = read_answer(message, qname, number, keep_authority=dnssec)
    return guard.guarded(answer, message, qname, number, keep_authority=dnssec), guard


def told(answer: Answer, name: str, qtype: str = "A") -> dns.message.Message:
    """What a client is told, as another implementation reads it."""
    response = dns.message.make_response(dns.message.make_query(name, qtype)).to_wire()
    counts = answer.answers.to_bytes(2, "big") + answer.authorities.to_bytes(2, "big") + bytes(2)
    return dns.message.from_wire(response[:6] + counts + response[12:] + answer.body)


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "127.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
    ],
)
def test_a_private_address_in_a_public_name_is_left_out(address: str) -> None:
    answer, guard = read("rebind.example", f"rebind.example. 300 IN A {address}")
    assert (answer.answers, answer.filtered, guard.stripped) == (0, True, 1)
    assert 0 < answer.ttl_seconds <= 60


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "::192.168.3.4",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::127.0.0.1",
        "64:ff9b:1:7f00:0:100::",
        "2002:ac10:1::",
        "2001:0:5ef5:79fd::f5ff:fffe",
    ],
)
def test_private_addresses_of_version_6_are_left_out(address: str) -> None:
    answer, _ = read("rebind.example", f"rebind.example. 300 IN AAAA {address}", qtype="AAAA")
    assert answer.answers == 0


@pytest.mark.parametrize(
    "address", ["172.15.255.255", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.167.0.1", "192.0.2.1", "198.51.100.1"]
)
def test_all_other_addresses_stay(address: str) -> None:
    answer, guard = read("www.example", f"www.example. 300 IN A {address}")
    assert (answer.answers, answer.filtered, guard.stripped) == (1, False, 0)


@pytest.mark.parametrize(
    "address",
    ["64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8", "64:ff9b:1:808:8:800::", "64:ff9b:1:cb00:a:500::", "2002:808:808::1"],
)
def test_public_addresses_behind_a_translator_stay(address: str) -> None:
    answer, _ = read("www.example", f"www.example. 300 IN AAAA {address}", qtype="AAAA")
    assert (answer.answers, answer.filtered) == (1, False)


def test_the_name_that_tells_the_prefix_of_a_translator_keeps_its_addresses() -> None:
    answer, _ = read("ipv4only.arpa", "ipv4only.arpa. 300 IN AAAA fd00:64::c000:aa", qtype="AAAA")  # RFC 7050
    assert (answer.answers, answer.filtered) == (1, False)


def test_only_the_private_ones_go_and_the_chain_stays() -> None:
    lines = ("www.example. 300 IN CNAME b.example.", "b.example. 300 IN A 10.0.0.1", "b.example. 300 IN A 198.51.100.1")
    answer, _ = read("www.example", *lines)
    assert addresses_in(answer.body, answer.answers) == (bytes((198, 51, 100, 1)),)
    assert answer.targets == (key_of(parse_name("b.example")),)


def test_what_is_left_without_data_looks_like_no_delegation_and_lives_for_a_minute() -> None:
    lines = ("www.example. 300 IN CNAME b.example.", "b.example. 300 IN A 10.0.0.1", "example. 300 IN NS ns.example.")
    answer, _ = read("www.example", *lines)
    assert (answer.answers, answer.authorities, answer.negative, answer.ttl_seconds) == (1, 1, True, 60)
    for ttl_at in answer.ttl_offsets:
        assert answer.body[ttl_at : ttl_at + 4] == (60).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("lines", "owner"),
    [
        (("www.example. 300 IN A 10.0.0.1",), "www.example."),
        (("www.example. 300 IN CNAME b.c.example.", "b.c.example. 9 IN A 10.0.0.1"), "b.c.example."),
    ],
)
def test_an_answer_that_lost_its_data_has_an_soa_of_its_name(lines: tuple[str, ...], owner: str) -> None:
    answer, _ = read("www.example", *lines)
    response = told(answer, "www.example")
    (soa,) = response.authority
    assert (soa.name.to_text(), soa.rdtype) == (owner, dns.rdatatype.SOA)
    assert soa.ttl == answer.ttl_seconds <= soa[0].minimum == 60
    assert {rrset.rdtype for rrset in response.answer} <= {dns.rdatatype.CNAME}


def test_an_answer_that_has_lost_but_some_of_its_data_has_no_soa() -> None:
    answer, _ = read("www.example", "www.example. 300 IN A 10.0.0.1", "www.example. 300 IN A 198.51.100.1")
    assert not told(answer, "www.example").authority


def test_a_signature_goes_with_the_last_address_that_it_signs() -> None:
    signature = "www.example. 300 IN RRSIG A 13 2 300 20300101000000 20200101000000 1 example. AAAA"
    private, public = "www.example. 300 IN A 10.0.0.1", "www.example. 300 IN A 198.51.100.1"
    bare, _ = read("www.example", private, signature, dnssec=True)
    assert bare.answers == 0
    partly, _ = read("www.example", private, public, signature, dnssec=True)
    assert partly.answers == 2


def test_what_the_guard_has_changed_is_not_called_authentic() -> None:
    for lines in (("10.0.0.1",), ("10.0.0.1", "198.51.100.1")):
        answer, _ = read("www.example", *(f"www.example. 300 IN A {line}" for line in lines), authentic=True)
        assert not answer.authenticated
    assert read("www.example", "www.example. 300 IN A 198.51.100.1", authentic=True)[0].authenticated


def test_a_hint_at_a_private_address_takes_its_record_along() -> None:
    answer, _ = read("www.example", "www.example. 300 IN HTTPS 1 . ipv4hint=10.0.0.1", qtype="HTTPS")
    assert answer.answers == 0


@pytest.mark.parametrize(("name", "kept"), [("corp.example", 1), ("a.b.corp.example", 1), ("notcorp.example", 0)])
def test_names_that_may_be_private_are_left_alone(name: str, kept: int) -> None:
    answer, _ = read(name, f"{name}. 300 IN A 10.0.0.1", private=("corp.example",))
    assert answer.answers == kept


@given(st.binary(max_size=200), st.integers(0, 5))
def test_any_octets_hold_addresses_or_none(body: bytes, answers: int) -> None:
    try:
        found = addresses_in(body, answers)
    except (IndexError, FormatError):
        return
    for address in found:
        assert len(address) in (4, 16)
        assert is_private(address) in (True, False)
