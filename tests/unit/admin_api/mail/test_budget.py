"""The number of mails in an hour, by a clock that the test advances."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from admin_api.mail.budget import HOUR_SECONDS, HourlyBudget


def test_a_part_is_kept_for_what_is_urgent_and_urgent_mails_may_use_all() -> None:
    now = [0.0]
    budget = HourlyBudget(10, lambda: now[0])
    for _ in range(8):
        budget.take(is_urgent=False)
    assert (budget.free_for(is_urgent=False), budget.free_for(is_urgent=True)) == (0, 2)
    assert (budget.seconds_until_free(is_urgent=False), budget.seconds_until_free(is_urgent=True)) == (3600, 0)
    now[0] = HOUR_SECONDS
    for _ in range(10):
        budget.take(is_urgent=True)
    assert (budget.free_for(is_urgent=False), budget.free) == (0, 0)
    budget.give_back(is_urgent=True)
    assert (budget.free_for(is_urgent=False), budget.free) == (1, 1)


_steps = some.lists(some.tuples(some.booleans(), some.floats(0, 2000)), max_size=60)


@given(most=some.integers(2, 12), steps=_steps)
def test_in_no_hour_there_are_more_and_what_is_urgent_always_has_its_part(
    most: int, steps: list[tuple[bool, float]]
) -> None:
    now = [0.0]
    budget, sent = HourlyBudget(most, lambda: now[0]), list[tuple[float, bool]]()
    for is_urgent, pause in steps:
        if budget.free_for(is_urgent=is_urgent) > 0:
            assert budget.seconds_until_free(is_urgent=is_urgent) == 0
            budget.take(is_urgent=is_urgent)
            sent.append((now[0], is_urgent))
        else:
            wait = budget.seconds_until_free(is_urgent=is_urgent)
            assert 0 < wait <= HOUR_SECONDS
        hour = [urgent for at, urgent in sent if now[0] - at < HOUR_SECONDS]
        assert len(hour) <= most
        assert hour.count(False) <= most - max(1, most // 5)
        now[0] += pause
