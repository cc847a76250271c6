"""Local names: which of them answers for a name, and with what."""

from __future__ import annotations

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.wire.local_data import LocalData, LocalName
from resolver.wire.local_records import MOST_ALIASES, LocalRecord
from resolver.wire.names import key_of, parse_name
from resolver.wire.question import parse_question

PRINTER = LocalRecord("printer.office.example", addresses=("192.0.2.7", "2001:db8::7", "192.0.2.8"), origin="local")
LAB = LocalRecord("*.lab.office.example", addresses=("10.0.0.1",), origin="local")


def found(data: LocalData, name: str) -> LocalName | None:
    return data.find(key_of(parse_name(name)))


def answer(data: LocalData, name: str, qtype: str = "A") -> dns.message.Message | None:
    """The whole answer; None where the name is not local."""
    query = dns.message.make_query(name, qtype, use_edns=0)
    question = parse_question(query.to_wire())
    local = data.find(question.key)
    if local is None:
        return None
    message, leads_on = data.answer(question, local)
    assert not leads_on
    response = dns.message.from_wire(message)
    assert query.is_response(response)
    return response


def told(response: dns.message.Message | None) -> list[str]:
    assert response is not None
    return [line for rrset in response.answer for line in rrset.to_text().splitlines()]


def test_a_local_name_has_its_addresses_in_any_letter_case() -> None:
    data = LocalData([PRINTER], 120)
    assert told(answer(data, "PRINTER.office.example")) == [
        "PRINTER.office.example. 120 IN A 192.0.2.7",
        "PRINTER.office.example. 120 IN A 192.0.2.8",
    ]
    assert told(answer(data, "printer.office.example", "AAAA")) == ["printer.office.example. 120 IN AAAA 2001:db8::7"]


@pytest.mark.parametrize("qtype", ["TXT", "HTTPS", "SOA", "NS", "DS", "TYPE65280", "CNAME"])
def test_a_type_that_a_local_name_does_not_have_is_nodata_for_as_long_as_the_ttl(qtype: str) -> None:
    response = answer(LocalData([PRINTER], 120), "printer.office.example", qtype)
    assert response is not None
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
    (soa,) = response.authority
    assert (soa.name.to_text(), soa.ttl, soa[0].minimum) == ("office.example.", 120, 120)


def test_a_name_of_one_label_is_denied_by_the_root() -> None:
    response = answer(LocalData([LocalRecord("nas", addresses=("192.0.2.9",))]), "nas", "TXT")
    assert response is not None
    assert response.authority[0].name == dns.name.root


@pytest.mark.parametrize("name", ["office.example", "other.office.example", "a.printer.office.example", "example"])
def test_names_around_a_local_name_are_not_local(name: str) -> None:
    assert found(LocalData([PRINTER]), name) is None


@pytest.mark.parametrize(
    ("name", "rcode", "address"),
    [
        ("x.lab.office.example", dns.rcode.NOERROR, "10.0.0.1"),
        ("y.x.lab.office.example", dns.rcode.NOERROR, "10.0.0.1"),
        ("a.b.lab.office.example", dns.rcode.NOERROR, "10.0.0.2"),
        ("b.lab.office.example", dns.rcode.NOERROR, None),  # exists, since there is a name below
        ("c.b.lab.office.example", dns.rcode.NXDOMAIN, None),  # not the wildcard's: b is closer
        ("x.a.b.lab.office.example", dns.rcode.NXDOMAIN, None),
        ("x.inner.lab.office.example", dns.rcode.NOERROR, "10.0.0.3"),
        ("inner.lab.office.example", dns.rcode.NOERROR, None),
    ],
)
def test_a_wildcard_is_for_names_whose_closest_encloser_is_its_base(
    name: str, rcode: dns.rcode.Rcode, address: str | None
) -> None:
    data = LocalData([
        LAB,
        LocalRecord("a.b.lab.office.example", addresses=("10.0.0.2",)),
        LocalRecord("*.inner.lab.office.example", addresses=("10.0.0.3",)),
    ])  # fmt: skip
    response = answer(data, name)
    assert response is not None
    assert response.rcode() == rcode
    assert [line.split()[-1] for line in told(response)] == ([address] if address else [])
    assert bool(response.authority) == (address is None)


@pytest.mark.parametrize(
    "name", ["c.b.lab.office.example", "z.y.x.b.lab.office.example", "b.lab.office.example", "v.w.lab.office.example"]
)
def test_below_a_wildcard_its_base_denies_and_no_name_that_is_denied_too(name: str) -> None:
    data = LocalData([LAB, LocalRecord("a.b.lab.office.example", addresses=("10.0.0.2",))])
    response = answer(data, name, "TXT")
    assert response is not None
    assert [soa.name.to_text() for soa in response.authority] == ["lab.office.example."]


def test_the_base_of_a_wildcard_is_not_local() -> None:
    assert found(LocalData([LAB]), "lab.office.example") is None
    assert found(LocalData([LAB]), "xlab.office.example") is None


def test_a_name_that_is_kept_is_no_wildcards() -> None:
    kept = key_of(parse_name("_dns.lab.office.example"))
    data = LocalData([LAB], kept=[kept])
    assert found(data, "_dns.lab.office.example") is None
    assert found(data, "x._dns.lab.office.example") is not None


_LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4)


@given(st.lists(st.tuples(st.booleans(), _LABELS), min_size=1, max_size=6), _LABELS)
def test_names_and_wildcards_are_found_as_rfc_4592_has_it(
    names: list[tuple[bool, list[str]]], asked: list[str]
) -> None:
    plain = {tuple(labels) for is_wildcard, labels in names if not is_wildcard}
    bases = {tuple(labels) for is_wildcard, labels in names if is_wildcard}
    records = [LocalRecord(".".join(labels), addresses=("192.0.2.1",)) for labels in plain]
    records += [LocalRecord(".".join(("*", *labels)), addresses=("192.0.2.2",)) for labels in bases]
    name = tuple(asked)
    above = [name[at:] for at in range(1, len(name))]  # the closest first
    existing = {labels[at:] for labels in plain | bases for at in range(len(labels))}
    expected: str | None = None
    if name in plain:
        expected = "own"
    elif any(base in bases for base in above):
        closest = next(one for one in above if one in existing)
        expected = "empty" if name in existing else "wildcard" if closest in bases else "absent"
    local = found(LocalData(records), ".".join(asked))
    if local is None:
        got = None
    elif local.records:
        got = "wildcard" if local.record.is_wildcard else "own"
    else:
        got = "empty" if local.exists else "absent"
    assert got == expected


def test_an_address_leads_back_to_the_first_name_that_has_it() -> None:
    data = LocalData([
        PRINTER,
        LocalRecord("copier.office.example", addresses=("192.0.2.7", "192.0.2.9")),
        LocalRecord("*.lab.office.example", addresses=("10.0.0.1",)),
        LocalRecord("here.office.example", addresses=("127.0.0.9", "0.0.0.0", "::1")),
    ])  # fmt: skip
    for address, name in (
        ("192.0.2.7", "printer.office.example."),
        ("2001:db8::7", "printer.office.example."),
        ("192.0.2.9", "copier.office.example."),
    ):
        reverse = dns.reversename.from_address(address).to_text()
        assert [line.split()[-1] for line in told(answer(data, reverse, "PTR"))] == [name]
    for address in ("10.0.0.1", "127.0.0.9", "0.0.0.0", "::1"):
        assert found(data, dns.reversename.from_address(address).to_text().rstrip(".")) is None


def test_an_alias_of_local_names_is_one_answer() -> None:
    data = LocalData([
        LocalRecord("intra.office.example", alias="www.lab.office.example"),
        LocalRecord("*.lab.office.example", alias="printer.office.example"),
        PRINTER,
    ])  # fmt: skip
    assert [line.split()[-2:] for line in told(answer(data, "intra.office.example", "AAAA"))] == [
        ["CNAME", "www.lab.office.example."],
        ["CNAME", "printer.office.example."],
        ["AAAA", "2001:db8::7"],
    ]
    assert [line.split()[-1] for line in told(answer(data, "intra.office.example", "CNAME"))] == [
        "www.lab.office.example."
    ]
    nothing = answer(data, "intra.office.example", "TXT")
    assert nothing is not None and nothing.authority[0].name.to_text() == "office.example."


def test_as_many_aliases_as_there_may_be_are_one_answer() -> None:
    aliases = [LocalRecord(f"n{at}.example", alias=f"n{at + 1}.example") for at in range(MOST_ALIASES)]
    data = LocalData([*aliases, LocalRecord(f"n{MOST_ALIASES}.example", addresses=("192.0.2.1",))])
    assert len(told(answer(data, "n0.example"))) == MOST_ALIASES + 1


def test_aliases_that_never_end_fail_and_lead_nowhere() -> None:
    data = LocalData([LocalRecord("a.example", alias="b.example"), LocalRecord("b.example", alias="a.example")])
    question = parse_question(dns.message.make_query("a.example", "A").to_wire())
    local = data.find(question.key)
    assert local is not None
    message, leads_on = data.answer(question, local)
    assert not leads_on
    assert (message[3] & 0xF, message[7]) == (dns.rcode.SERVFAIL, 0)
    assert data.target_outside(local) is None
