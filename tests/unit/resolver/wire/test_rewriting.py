"""Records that are written anew, as another implementation reads them."""

from __future__ import annotations

import contextlib

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.reading import Names
from resolver.wire.rewriting import Rewriter

RDATA = {
    "A": "192.0.2.1",
    "NS": "ns.Foreign.example.",
    "CNAME": "Other.example.",
    "SOA": "ns.example. host.mail.example. 1 2 3 4 5",
    "PTR": "a.example.",
    "MX": "10 mail.example.",
    "RP": "a.example. b.a.example.",
    "AFSDB": "1 db.example.",
    "SRV": "1 2 3 srv.example.",
    "KX": "1 kx.example.",
    "PX": "10 map822.example. mapx400.example.",
    "DNAME": "elsewhere.example.",
    "TXT": '"x.example" "y"',
    "HTTPS": "1 svc.example. alpn=h2 ipv4hint=192.0.2.1",
    "CAA": '0 issue "ca.example"',
}
OWNERS = ["a.example.", "Foreign.example.", "b.a.example.", "mail.example.", "."]
records = st.lists(st.tuples(st.sampled_from(OWNERS), st.sampled_from(sorted(RDATA))), max_size=12)


def message(answers: list[tuple[str, str]], authorities: list[tuple[str, str]]) -> dns.message.QueryMessage:
    response = dns.message.QueryMessage(7)
    response.flags = dns.flags.QR
    query = dns.message.make_query("a.example", "MX")
    response.question = query.question
    for section, some in (
        (response.answer, answers),
        (response.authority, authorities),
        (response.additional, answers),
    ):
        for owner, rtype in some:
            section.append(dns.rrset.from_text(owner, 300, "IN", rtype, RDATA[rtype]))
    return response


def texts(section: list[dns.rrset.RRset]) -> list[str]:
    return [rrset.to_text() for rrset in section]


def rewritten(message: bytes, answers: int, keep: list[bool], qname: bytes = b"\x01a\x07example\x00") -> Rewriter:
    """The answer section again, with only those records whose place is true."""
    names = Names(message)
    written = Rewriter(qname)
    try:
        found, _ = names.records(names.behind(12) + 4, answers)
        for record, is_kept in zip(found, keep, strict=True):
            if is_kept:
                written.add(names, record)
    except IndexError:
        raise FormatError("cut off") from None
    return written


@given(records, st.data())
def test_what_is_kept_is_what_it_was(answers: list[tuple[str, str]], data: st.DataObject) -> None:
    whole = message(answers, [])
    keep = data.draw(st.lists(st.booleans(), min_size=len(answers), max_size=len(answers)))
    written = rewritten(whole.to_wire(), len(answers), keep)
    head = whole.to_wire()[:6] + sum(keep).to_bytes(2, "big") + bytes(4) + whole.to_wire()[12:27]
    said = dns.message.from_wire(head + written.body, one_rr_per_rrset=True)
    assert texts(said.answer) == [text for text, kept in zip(texts(whole.answer), keep, strict=True) if kept]
    assert [written.body[at : at + 4] for at in written.ttl_offsets] == [(300).to_bytes(4, "big")] * sum(keep)


def test_an_owner_that_is_there_already_is_a_pointer() -> None:
    answers = [("a.example.", "CNAME"), ("Other.example.", "A"), ("Other.example.", "MX")]
    written = rewritten(message(answers, []).to_wire(), 3, [True, True, True])
    assert written.body.lower().count(b"\x05other\x07example") == 1
    assert written.body.startswith(b"\xc0\x0c")


def test_a_name_in_the_data_that_goes_beyond_it_is_refused() -> None:
    wire = message([("a.example.", "MX")], []).to_wire()
    short = wire.replace(b"\x00\x0a\x04mail", b"\x00\x0a\x3fmail")
    with pytest.raises(FormatError):
        rewritten(short, 1, [True])


def test_what_would_be_longer_than_a_message_is_refused() -> None:
    question = b"\x01a\x00\x00\x0f\x00\x01"
    long_name = b"".join(bytes((60,)) + b"x" * 60 for _ in range(4)) + b"\x00"
    first = long_name + b"\x00\x10\x00\x01\x00\x00\x01\x2c\x00\x00"
    pointer = (0xC000 | 12 + len(question)).to_bytes(2, "big")
    others = (pointer + b"\x00\x02\x00\x01\x00\x00\x01\x2c\x00\x02" + pointer) * 280
    wire = b"\x00\x07\x81\x80\x00\x01\x00\x8d\x00\x00\x00\x00" + question + first + others
    with pytest.raises(FormatError, match="too long"):
        rewritten(wire, 281, [True] * 281, b"\x01a\x00")


@given(st.binary(max_size=300), st.lists(st.booleans(), max_size=5))
def test_any_octets_are_written_anew_or_a_format_error(octets: bytes, keep: list[bool]) -> None:
    with contextlib.suppress(FormatError, IndexError):
        rewritten(octets, len(keep), keep)
