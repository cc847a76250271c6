"""Short forms of `make prove`: workers end under load. Times are left to the long form, on a quiet machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from prove import killed_workers, kills
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_a_killed_worker_loses_no_more_than_what_it_held_and_leaves_a_valid_state(tmp_path: Path) -> None:
    assert not missed(kills.run(kills.SHORT, tmp_path), but_for_times=True)


def test_workers_that_are_restarted_or_told_to_end_lose_no_query_over_udp_or_tcp(tmp_path: Path) -> None:
    assert not missed(killed_workers.restarted(killed_workers.SHORT, tmp_path), but_for_times=True)


def test_what_was_sent_before_the_service_is_told_to_end_is_answered(tmp_path: Path) -> None:
    assert not missed(killed_workers.ended(killed_workers.SHORT, tmp_path), but_for_times=True)
