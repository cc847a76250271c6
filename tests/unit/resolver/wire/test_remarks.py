"""What an upstream says of its own answer, read from any octets."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.system.safe_text import acts
from resolver.wire.remarks import KINDS, ede_in, is_zero_address, remark_of_ede


def reply(*options: dns.edns.Option, records: int = 1) -> bytes:
    message = dns.message.make_response(dns.message.make_query("a.example", "A"))
    message.answer = [dns.rrset.from_text("a.example.", 60, "IN", "A", *(f"192.0.2.{n}" for n in range(records)))]
    message.use_edns(0, options=list(options))
    return message.to_wire()


@given(st.integers(0, 65535), st.text(max_size=50), st.integers(0, 4))
def test_an_extended_error_is_found_among_other_options(code: int, text: str, before: int) -> None:
    others = [dns.edns.GenericOption(10, bytes(8 + number)) for number in range(before)]
    found = ede_in(reply(*others, dns.edns.EDEOption(code, text or None), *others, records=before + 1))
    assert found is not None
    assert found[0] == code
    assert not any(acts(letter) for letter in found[1])


def test_the_first_error_counts_and_none_is_none() -> None:
    assert ede_in(reply(dns.edns.EDEOption(15, "one"), dns.edns.EDEOption(6, "two"))) == (15, "one")
    assert ede_in(reply()) is None
    assert ede_in(reply(dns.edns.GenericOption(10, b"\x00\x0f\x00\x02\x00\x0f"))) is None  # octets of another option


@given(
    st.binary(max_size=300) | st.binary(max_size=40).map(lambda more: reply(dns.edns.EDEOption(15, "x"))[:-9] + more)
)
def test_any_octets_are_read_or_not_and_never_fail(octets: bytes) -> None:
    found = ede_in(octets)
    if found is not None:
        remark = remark_of_ede(found)
        assert remark is None or remark[0] in KINDS


@pytest.mark.parametrize(("code", "kind"), [(4, "upstream_blocked"), (18, "upstream_blocked"), (7, "upstream_bogus")])
def test_errors_about_filters_and_dnssec_are_remarked(code: int, kind: str) -> None:
    remark = remark_of_ede((code, ""))
    assert remark is not None
    assert remark[:2] == (kind, code)
    assert remark[2].startswith("the upstream says: ")


@pytest.mark.parametrize("code", [0, 3, 19, 22, 23, 999])
def test_other_errors_are_no_matter_of_filters(code: int) -> None:
    assert remark_of_ede((code, "text")) is None


def body(*records: tuple[int, bytes]) -> bytes:
    return b"".join(
        b"\xc0\x0c" + rtype.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x3c" + len(data).to_bytes(2, "big") + data
        for rtype, data in records
    )


@pytest.mark.parametrize(
    ("records", "is_zero"),
    [
        ([(1, bytes(4))], True),
        ([(28, bytes(16))], True),
        ([(1, bytes(4)), (28, bytes(16))], True),
        ([(1, bytes(4)), (1, b"\xc0\x00\x02\x01")], False),
        ([(1, b"\x00\x00\x00\x01")], False),
        ([(28, bytes(15) + b"\x01")], False),
        ([(16, b"\x05" + b"\x00\x04\x00\x00\x00\x00"[:5])], False),
        ([(16, b"\x07\x00\x04\x00\x00\x00\x00\x00")], False),
        ([], False),
    ],
)
def test_an_answer_of_zeros_only_is_one_of_a_filter(records: list[tuple[int, bytes]], is_zero: bool) -> None:
    assert is_zero_address(body(*records), len(records)) is is_zero
