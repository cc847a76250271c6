"""When a worker looks for garbage."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from resolver.answering.garbage import Garbage, look_by_hand, most_new

MOST_NEW = 40_000


class _Loop:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_everything_is_looked_at_after_five_minutes_when_there_is_nothing_else_to_do() -> None:
    garbage = Garbage(now=0.0, spent=0.0, most_new=MOST_NEW)
    gone = weakref.ref(_Loop())
    assert not garbage.look(now=299.0, spent=1.0)
    assert garbage.look(now=300.0, spent=1.04)
    assert gone() is None
    assert not garbage.look(now=301.0, spent=1.04)


@pytest.mark.slow
def test_a_busy_worker_is_left_alone_for_an_hour() -> None:
    garbage = Garbage(now=0.0, spent=0.0, most_new=MOST_NEW)
    assert not any(garbage.look(now=float(now), spent=0.5 * now) for now in range(1, 3600))
    assert garbage.look(now=3600.0, spent=1800.0)


def test_no_flood_of_objects_is_looked_at_while_it_lasts() -> None:
    look_by_hand()
    looks: list[str] = []

    def looked(phase: str, _: dict[str, int]) -> None:
        looks.append(phase)

    gc.callbacks.append(looked)
    try:
        kept = [[number] for number in range(300_000)]
    finally:
        gc.callbacks.remove(looked)
    assert not looks
    del kept


def test_what_full_caches_have_is_not_looked_at_however_large_they_are() -> None:
    assert most_new(100_000, 64 << 20) > 573_000
    assert most_new(1_000_000, 64 << 20) - most_new(100_000, 64 << 20) >= 2 * 900_000
    assert most_new(100_000, 1 << 30) > 8 * 573_000


def test_much_that_is_new_is_looked_at_however_busy_the_worker_is() -> None:
    look_by_hand()
    garbage = Garbage(now=0.0, spent=0.0, most_new=MOST_NEW)
    gone = weakref.ref(_Loop())
    kept = [[number] for number in range(39_000)]
    assert not garbage.look(now=1.0, spent=1.0)
    kept += [[number] for number in range(2_000)]
    assert garbage.look(now=2.0, spent=2.0)
    assert gone() is None
    assert not garbage.look(now=3.0, spent=3.0)  # what is kept is no longer new
    del kept
