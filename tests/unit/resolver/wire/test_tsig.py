"""Signed queries, as dnspython signs them and reads the answers, and records that only look like TSIG."""

from __future__ import annotations

import dns.message
import dns.name
import dns.rdata
import dns.tsig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.question import parse_question
from resolver.wire.response import compose
from resolver.wire.tsig import with_record

KEY = dns.tsig.Key("key.Office.example.", "bm90IGtub3duIGhlcmU=", dns.tsig.HMAC_SHA256)
NOTAUTH, FORMERR = 9, 1


def signed(name: str = "claude.ai", *, edns: bool = True, key: dns.tsig.Key = KEY, fudge: int = 300) -> bytes:
    query = dns.message.make_query(name, "A", use_edns=0 if edns else None)
    query.use_tsig(key, fudge=fudge)
    return query.to_wire()


def record_of(wire: bytes) -> dns.rdata.Rdata:
    """The TSIG record, which must be the last."""
    message = dns.message.from_wire(wire, keyring=False)
    assert message.tsig is not None
    return message.tsig[0]


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize("algorithm", [dns.tsig.HMAC_SHA256, dns.tsig.HMAC_MD5, dns.tsig.HMAC_SHA512])
def test_the_answer_says_that_the_key_is_not_known_and_is_not_signed(edns: bool, algorithm: dns.name.Name) -> None:
    query = signed(edns=edns, key=dns.tsig.Key("key.Office.example.", "bm90IGtub3duIGhlcmU=", algorithm), fudge=77)
    asked = parse_question(query)
    assert (asked.qtype, asked.edns) == (1, edns)
    answer = with_record(compose(asked, NOTAUTH), asked.tsig)
    sent, told = record_of(query), record_of(answer)
    message = dns.message.from_wire(answer, keyring=False)
    assert message.tsig is not None
    assert message.tsig.name == KEY.name
    assert (told.algorithm, told.time_signed, told.fudge) == (sent.algorithm, sent.time_signed, 77)
    assert (told.mac, told.original_id, told.error, told.other) == (b"", int.from_bytes(query[:2], "big"), 17, b"")
    assert message.edns == (0 if edns else -1)


def test_a_key_s_name_that_points_into_the_question_is_written_out() -> None:
    query = signed("office.example", edns=False, key=dns.tsig.Key("office.example.", KEY.secret, KEY.algorithm))
    owner = query.rindex(b"\xc0\x0c")
    whole = query[:owner] + b"\x06office\x07example\x00" + query[owner + 2 :]
    assert parse_question(whole).tsig == parse_question(query).tsig
    assert parse_question(query).tsig.startswith(b"\x06office\x07example\x00\x00\xfa\x00\xff")


def changed(query: bytes, at: int, octets: bytes) -> bytes:
    """The query with other octets so far behind its record's type."""
    start = query.rindex(b"\x00\xfa\x00\xff") + at
    return query[:start] + octets + query[start + len(octets) :]


SIGNED, PLAIN = signed(), signed(edns=False)
WRONG = {
    "another class": changed(SIGNED, 2, b"\x00\x01"),
    "a TTL": changed(SIGNED, 4, b"\x00\x00\x00\x01"),
    "longer than its parts": changed(SIGNED, 8, b"\x00\x3e") + b"\x00",
    "a MAC that ends elsewhere": SIGNED[:-40] + b"\x00\x21" + SIGNED[-38:],
    "before another record": SIGNED[:10] + b"\x00\x03" + SIGNED[12:] + b"\x00\x00\x10\x00\x01" + bytes(6),
    "twice": PLAIN[:10] + b"\x00\x02" + PLAIN[12:] + PLAIN[27:],
}


@pytest.mark.parametrize("query", WRONG.values(), ids=WRONG)
def test_what_is_no_tsig_in_its_place_is_a_format_error(query: bytes) -> None:
    with pytest.raises(FormatError) as raised:
        parse_question(query)
    assert raised.value.rcode == FORMERR


@given(st.integers(27, len(PLAIN) - 1), st.integers(0, 255))
def test_a_changed_octet_is_read_or_refused(at: int, octet: int) -> None:
    try:
        asked = parse_question(PLAIN[:at] + bytes((octet,)) + PLAIN[at + 1 :])
    except FormatError:
        return
    assert not asked.tsig or asked.tsig.endswith(b"\x00\x11\x00\x00")


@given(st.integers(13, len(SIGNED) - 1))
def test_half_of_it_is_a_format_error(octets: int) -> None:
    with pytest.raises(FormatError):
        parse_question(SIGNED[:octets])
