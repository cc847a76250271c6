"""Frames are counted alike in whatever pieces they come."""

from __future__ import annotations

import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, RstStreamFrame
from hypothesis import given
from hypothesis import strategies as st

from resolver.listeners.http2_frames import PREFACE, FrameGuard, TooMuch

_PING = PingFrame(0, opaque_data=b"12345678").serialize()
_RESET = RstStreamFrame(1).serialize()


def _guard() -> FrameGuard:
    guard = FrameGuard(resets=3, control_frames=5, header_bytes=100)
    guard.take(PREFACE)
    return guard


def test_each_bound_has_its_name() -> None:
    headers = HeadersFrame(1, data=b"x" * 60).serialize() + ContinuationFrame(1, data=b"x" * 41).serialize()
    for octets, bound in (
        (_PING * 6, "http_flood"),
        (_RESET * 4, "http_resets_per_connection"),
        (headers, "http_flood"),
    ):
        with pytest.raises(TooMuch) as raised:
            _guard().take(octets)
        assert raised.value.bound == bound


def test_an_answer_gives_back_some_of_what_was_used_up_and_never_more_than_there_was() -> None:
    guard = _guard()
    for _ in range(10):
        guard.take(_RESET + _PING * 4)
        guard.answered()
    guard.take(_RESET * 3)
    with pytest.raises(TooMuch):
        guard.take(_RESET)


def test_data_and_complete_headers_cost_nothing() -> None:
    guard = _guard()
    headers = HeadersFrame(1, data=b"x" * 90, flags=["END_HEADERS"]).serialize()
    for _ in range(100):
        guard.take(headers + DataFrame(1, data=b"y").serialize() + DataFrame(1, flags=["END_STREAM"]).serialize())


@given(st.lists(st.sampled_from([_PING, _RESET, DataFrame(1, data=b"yy").serialize()]), max_size=8), st.data())
def test_pieces_make_no_difference(frames: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    outcomes = []
    for parts in ([whole], pieces):
        guard = _guard()
        try:
            for part in parts:
                guard.take(part)
            outcomes.append("")
        except TooMuch as error:
            outcomes.append(error.bound)
    assert outcomes[0] == outcomes[1]


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_no_octets_raise_another_error(pieces: list[bytes]) -> None:
    guard = _guard()
    try:
        for piece in pieces:
            guard.take(piece)
    except TooMuch as error:
        assert error.bound in ("http_flood", "http_resets_per_connection")
