"""Work on a list for firewalls that nobody waits for any more ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from admin_api.firewall.stopping import Stopped, never, until_stopped


def test_items_come_until_it_is_stopped_and_no_further_than_the_next_look() -> None:
    over = threading.Event()
    seen = 0

    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    with pytest.raises(Stopped):
        for number in until_stopped(endless(), over.is_set):
            seen = number
            if number == 1_234:
                over.set()
    assert 1_234 <= seen < 2_000
    assert list(until_stopped(range(2_000), never)) == list(range(2_000))
