"""About how many clients: near enough, and worth nothing without the day's key."""

from __future__ import annotations

import pytest

from admin_api.unlisted.sketch import DailyKey, count_of


def _bitmap(key: DailyKey, clients: int) -> int:
    bitmap = 0
    for number in range(clients):
        bitmap |= key.bit_of(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    return bitmap


@pytest.mark.parametrize("clients", [0, 1, 2, 3])
def test_few_clients_are_counted_nearly_always_exactly(clients: int) -> None:
    counts = [count_of(_bitmap(DailyKey(), clients)) for _ in range(300)]
    assert sum(count == clients for count in counts) >= 285


@pytest.mark.parametrize("clients", [100, 1000])
def test_many_clients_are_counted_within_a_fifth(clients: int) -> None:
    for _ in range(20):
        assert abs(count_of(_bitmap(DailyKey(), clients)) - clients) < clients / 5


def test_a_client_that_asks_again_counts_once() -> None:
    key = DailyKey()
    assert count_of(key.bit_of("10.0.0.1") | key.bit_of("10.0.0.1")) == 1


def test_another_day_has_another_bit_for_the_same_client() -> None:
    bits = {DailyKey().bit_of("10.0.0.1") for _ in range(50)}
    assert len(bits) > 30


def test_a_full_bitmap_has_an_end() -> None:
    assert 3000 < count_of((1 << 512) - 1) < 3500
