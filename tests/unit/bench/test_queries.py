"""Queries as octets, read by an independent parser."""

from __future__ import annotations

import dns.edns
import dns.message
from hypothesis import given
from hypothesis import strategies as st

from bench.queries import QTYPES, Asked, encode

labels = st.text(st.sampled_from("abcdefgXYZ0123456789-"), min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=6).map(".".join)


@given(
    name=names,
    qtype=st.sampled_from(sorted(QTYPES)),
    edns=st.booleans(),
    cookie=st.just(b"") | st.binary(min_size=8, max_size=8),
    ident=st.integers(0, 0xFFFF),
    pad_to=st.sampled_from([0, 128]),
)
def test_a_query_says_what_it_is_made_of(
    name: str, qtype: str, edns: bool, cookie: bytes, ident: int, pad_to: int
) -> None:
    octets = encode(Asked(name, qtype, edns=edns, cookie=cookie), ident, pad_to=pad_to)
    message = dns.message.from_wire(octets)
    assert message.id == ident
    assert message.question[0].name.to_text(omit_final_dot=True) == name
    assert message.question[0].rdtype == QTYPES[qtype]
    with_opt = edns or bool(pad_to)
    assert (message.edns == 0) == with_opt
    if pad_to:
        assert len(octets) % pad_to == 0
    found = [option.to_wire() for option in message.options if option.otype == dns.edns.OptionType.COOKIE]
    assert found == ([cookie] if cookie and with_opt else [])
