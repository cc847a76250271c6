"""When a worker looks for garbage."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from resolver.answering.garbage import Garbage, look_seldom


class _Loop:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_everything_is_looked_at_after_five_minutes_when_there_is_nothing_else_to_do() -> None:
    garbage = Garbage(now=0.0, spent=0.0)
    gone = weakref.ref(_Loop())
    assert not garbage.look(now=299.0, spent=1.0)
    assert garbage.look(now=300.0, spent=1.04)
    assert gone() is None
    assert not garbage.look(now=301.0, spent=1.04)


@pytest.mark.slow
def test_a_busy_worker_is_left_alone_for_an_hour() -> None:
    garbage = Garbage(now=0.0, spent=0.0)
    assert not any(garbage.look(now=float(now), spent=0.5 * now) for now in range(1, 3600))
    assert garbage.look(now=3600.0, spent=1800.0)


def test_only_the_young_are_looked_at_by_themselves() -> None:
    look_seldom()
    looks = gc.get_stats()[2]["collections"]
    kept = [[number] for number in range(300_000)]
    assert gc.get_stats()[2]["collections"] == looks
    del kept
