"""A proxy's header comes in pieces; what it is does not depend on where they were cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.listeners.header import HeaderReader
from resolver.wire.proxy_header import SIGNATURE

HEADER = SIGNATURE + b"\x21\x11" + (12).to_bytes(2, "big") + bytes([192, 0, 2, 7, 192, 0, 2, 1, 0, 9, 0, 53])


def fed(pieces: list[bytes]) -> tuple[bool, HeaderReader]:
    """A reader that took pieces until it knew, and those that came later; whether it knew."""
    reader = HeaderReader()
    for number, piece in enumerate(pieces):
        if reader.feed(piece):
            reader.rest += b"".join(pieces[number + 1 :])
            return True, reader
    return False, reader


@given(st.binary(max_size=40), st.lists(st.integers(0, len(HEADER) + 40), max_size=6))
def test_a_header_in_pieces_names_its_client_and_leaves_the_rest(behind: bytes, cuts: list[int]) -> None:
    whole = HEADER + behind
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    knows, reader = fed(pieces)
    assert knows
    assert reader.header is not None
    assert reader.header.client == "192.0.2.7"
    assert reader.rest == behind


def test_what_is_no_header_is_told_at_once_and_left_as_it_came() -> None:
    reader = HeaderReader()
    assert reader.feed(b"\x00\x1d\x12\x34")
    assert reader.header is None
    assert reader.rest == b"\x00\x1d\x12\x34"


@pytest.mark.parametrize("begun", [b"PROX", b"PROXY TCP4 192.0.2.7"])
def test_one_of_version_1_is_never_known(begun: bytes) -> None:
    reader = HeaderReader()
    assert not reader.feed(begun)
    assert reader.header is None
    assert reader.rest == begun


@given(st.lists(st.binary(max_size=60) | st.just(SIGNATURE) | st.just(HEADER), max_size=5))
def test_any_octets_are_a_header_or_not_and_none_is_lost(pieces: list[bytes]) -> None:
    try:
        _, reader = fed(pieces)
    except FormatError:
        return
    length = 0 if reader.header is None else reader.header.length
    assert reader.rest == b"".join(pieces)[length:]
