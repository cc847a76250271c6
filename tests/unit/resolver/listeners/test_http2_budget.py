"""Frames that ask for nothing are counted, and bounded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resolver.listeners.http2_budget import FrameBudget
from resolver.listeners.http2_frames import ENHANCE_YOUR_CALM, Http2Violation
from tests.support.http2_conversation import hear
from tests.support.http2_frames import AS_QUERY, HELLO, block, data, headers, post, raw, settings


def _budget() -> FrameBudget:
    return FrameBudget(resets=3, control_frames=5, header_bytes=100)


# how often → what is done, and as what it is counted
BEYOND: dict[str, tuple[int, Callable[[FrameBudget], None], str]] = {
    "control frames": (6, lambda budget: budget.control(), "http_flood"),
    "resets": (4, lambda budget: budget.reset(), "http_resets_per_connection"),
    "header octets": (2, lambda budget: budget.piece(51, is_last=False), "http_flood"),
    "empty pieces of a header": (33, lambda budget: budget.piece(0, is_last=False), "http_flood"),
}


@pytest.mark.parametrize("kind", BEYOND)
def test_each_bound_has_its_name(kind: str) -> None:
    times, go, bound = BEYOND[kind]
    budget = _budget()
    for _ in range(times - 1):
        go(budget)
    with pytest.raises(Http2Violation) as raised:
        go(budget)
    assert (raised.value.bound, raised.value.code) == (bound, ENHANCE_YOUR_CALM)


def test_an_answer_gives_back_some_of_what_was_used_up_and_never_more_than_there_was() -> None:
    budget = _budget()
    for _ in range(10):
        budget.reset()
        for _ in range(4):
            budget.control()
        budget.answered()
    for _ in range(3):
        budget.reset()
    with pytest.raises(Http2Violation):
        budget.reset()


def test_complete_headers_cost_nothing() -> None:
    budget = _budget()
    for _ in range(100):
        budget.piece(60, is_last=False)
        budget.piece(30, is_last=True)


FLOODS: dict[str, tuple[bytes, str]] = {
    "PING": (raw(6, 0, 0, bytes(8)) * 501, "http_flood"),
    "SETTINGS": (settings({4: 5}) * 501, "http_flood"),
    "PRIORITY": (raw(2, 0, 1, b"\0\0\0\0\x0f") * 501, "http_flood"),
    "WINDOW_UPDATE": (raw(8, 0, 0, b"\0\0\0\1") * 501, "http_flood"),
    "unknown frames": (raw(0x99, 0, 0) * 501, "http_flood"),
    "DATA of nothing": (headers(1, AS_QUERY) + data(1, b"") * 501, "http_flood"),
    "DATA of nothing but padding": (headers(1, AS_QUERY) + raw(0, 8, 1, b"\x01\0") * 501, "http_flood"),
    "a body in pieces": (headers(1, AS_QUERY) + data(1, b"x") * 1_001, "http_flood"),
    "CONTINUATION of nothing": (raw(1, 0, 1) + raw(9, 0, 1) * 32, "http_flood"),
    "CONTINUATION without end": (raw(1, 0, 1) + raw(9, 0, 1, bytes(16_384)) * 7, "http_flood"),
    "fields that unfold": (
        headers(1, block(AS_QUERY) + b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4_000 + b"\xbe" * 30),
        "http_flood",
    ),
    "requests taken back": (
        b"".join(headers(n, AS_QUERY) + raw(3, 0, n, bytes(4)) for n in range(1, 205, 2)),
        "http_resets_per_connection",
    ),
    "requests without an end": (
        b"".join(headers(n, AS_QUERY) for n in range(1, 205, 2)),
        "http_streams_per_connection",
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_its_connection(kind: str) -> None:
    flood, bound = FLOODS[kind]
    assert hear([HELLO, flood]).bound == bound
    pieces = [flood[at : at + 1_000] for at in range(0, len(flood), 1_000)]
    assert hear([HELLO, *pieces]).bound == bound


def test_a_thousand_requests_with_a_ping_and_a_window_each_are_no_flood() -> None:
    one = raw(6, 0, 0, bytes(8)) + raw(8, 0, 0, b"\0\0\1\0")
    said = [one + post(number, b"\0" * 20) for number in range(1, 2_001, 2)]
    outcome = hear([HELLO, *said])
    assert not outcome.bound
    assert len(outcome.told.bodies) == 1_000
