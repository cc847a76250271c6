"""Messages into a stream and out of it again, however the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.wire.framing import Deframer, frame


def test_a_frame_is_the_length_and_the_message() -> None:
    assert frame(b"abc") == b"\x00\x03abc"
    assert frame(bytes(300))[:2] == b"\x01\x2c"


def test_a_message_that_no_frame_can_hold_is_refused() -> None:
    assert len(frame(bytes(65_535))) == 65_537
    with pytest.raises(OverflowError):
        frame(bytes(65_536))


@given(st.lists(st.binary(max_size=400), max_size=8), st.lists(st.integers(0, 3000), max_size=8))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, messages))
    deframer = Deframer()
    out = []
    at = 0
    for cut in [*sorted(cuts), len(stream)]:
        out += deframer.feed(stream[at:cut])
        at = max(at, min(cut, len(stream)))
    assert out == messages
    assert deframer.pending_bytes == 0


def test_octets_one_by_one_make_a_message() -> None:
    deframer = Deframer()
    stream = frame(b"hello")
    assert [deframer.feed(stream[i : i + 1]) for i in range(len(stream))] == [[], [], [], [], [], [], [b"hello"]]


def test_less_than_one_frame_is_held() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\xff\xff" + bytes(65_534)) == []
    assert deframer.pending_bytes == 65_536
    assert deframer.feed(b"\x00" + frame(b"x") + b"\x00") == [bytes(65_535), b"x"]
    assert deframer.pending_bytes == 1


def test_an_empty_message_is_a_message() -> None:
    assert Deframer().feed(b"\x00\x00\x00\x01x") == [b"", b"x"]
