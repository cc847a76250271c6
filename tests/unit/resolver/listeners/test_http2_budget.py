"""What asks for nothing is counted, and bounded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resolver.listeners.http2_budget import FrameBudget
from resolver.listeners.http2_frames import ENHANCE_YOUR_CALM, Http2Violation


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
