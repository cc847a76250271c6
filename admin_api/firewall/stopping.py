"""A way to stop work on a large policy that runs in a thread, which nothing else ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

_EVERY: Final = 500  # items between two looks: some milliseconds

_Item = TypeVar("_Item")

IsStopped = Callable[[], bool]


class Stopped(Exception):
    """Nobody waits for the result any more."""


def never() -> bool:
    """Say that the work is to go on."""
    return False


def until_stopped(items: Iterable[_Item], is_stopped: IsStopped) -> Iterator[_Item]:
    """The items, while the work is to go on. Raises Stopped."""
    for number, item in enumerate(items):
        if number % _EVERY == 0 and is_stopped():
            raise Stopped
        yield item
