"""Records are found without reading their names, and what is cut off is a format error."""

from __future__ import annotations

import contextlib

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.records import least_ttl, records

ttls = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**31 - 1)), max_size=6)


def answer_of(found: list[tuple[int, int]], *, edns: bool) -> bytes:
    """An answer with these TTLs in these sections."""
    message = dns.message.make_response(dns.message.make_query("name.example", "A", use_edns=0 if edns else -1))
    for number, (section, ttl) in enumerate(found):
        message.sections[section + 1].append(
            dns.rrset.from_text(f"n{number}.name.example.", ttl, "IN", "A", "192.0.2.1")
        )
    return message.to_wire()


@given(ttls, st.booleans())
def test_the_least_ttl_is_that_of_all_sections_but_for_opt(found: list[tuple[int, int]], edns: bool) -> None:
    assert least_ttl(answer_of(found, edns=edns)) == min((ttl for _, ttl in found), default=None)


@given(ttls, st.data())
def test_what_is_cut_off_is_a_format_error(found: list[tuple[int, int]], data: st.DataObject) -> None:
    whole = answer_of([*found, (0, 1)], edns=False)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for read in (least_ttl, lambda message: list(records(message))):
        with pytest.raises(FormatError):
            read(cut)


@given(st.binary(max_size=80))
def test_any_octets_are_records_or_a_format_error(octets: bytes) -> None:
    for read in (least_ttl, lambda message: list(records(message))):
        with contextlib.suppress(FormatError):
            read(octets)
