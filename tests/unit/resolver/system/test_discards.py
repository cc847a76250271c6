"""Tables that are given up are freed bit by bit, and never more of them wait than the bound allows."""

from __future__ import annotations

import weakref

import pytest

from resolver.answering.accounts import Accounts
from resolver.system.discards import DISCARDS, Discards
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import QueryEvents


class _Entry:
    pass


def test_a_table_that_is_given_up_is_freed_in_slices() -> None:
    discards = Discards()
    table = {number: _Entry() for number in range(2_500)}
    entries = [weakref.ref(entry) for entry in table.values()]
    discards.give_up(table)
    del table
    left = []
    while discards.work(1_000):
        left.append(sum(entry() is not None for entry in entries))
    assert left == [1_500, 500]
    assert not any(entry() for entry in entries)
    assert len(discards) == 0


def test_a_table_that_goes_on_is_empty_at_once_and_may_be_filled_again() -> None:
    discards = Discards()
    table = dict.fromkeys(range(5_000), "old")
    discards.empty(table)
    assert not table
    table["new"] = "new"
    while discards.work():
        pass
    assert table == {"new": "new"}


@pytest.mark.parametrize("tables", [1, 3, 50])
def test_no_more_wait_than_the_bound(tables: int) -> None:
    discards = Discards()
    for _ in range(tables):
        table = dict.fromkeys(range(20_000))
        discards.empty(table)
        assert not table
    assert len(discards) == min(tables * 20_000, 400_000)
    slices = 0
    while discards.work(1_000):
        slices += 1
    assert slices == len(range(0, min(tables * 20_000, 400_000), 1_000)) - 1


def test_a_small_table_is_freed_at_once() -> None:
    discards = Discards()
    table = {0: (entry := _Entry())}
    gone = weakref.ref(entry)
    del entry
    discards.empty(table)
    assert gone() is None
    assert not discards.work()


def test_counters_that_move_on_free_their_old_keys_later() -> None:
    counters = Counters(detailed=True)
    accounts = Accounts(counters, QueryEvents(None, "off", counters.dropped))
    for number in range(3_000):
        counters.answer(0, ("default", None, None, "A", "NOERROR", "udp", None, f"{number}.example"))
    while DISCARDS.work():
        pass
    counters.move(type(counters.store)())
    accounts.forget()
    assert len(DISCARDS) == 3_000
    while DISCARDS.work():
        pass
    assert len(DISCARDS) == 0
