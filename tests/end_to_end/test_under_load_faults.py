"""Short forms of `make prove`: faults of the disk, the store, the clock, the lists. Times are left to the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from prove import alerts, full_disk, list_sources, locked_store, log_sinks, set_clock
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_with_a_full_disk_dns_goes_on_and_everything_else_afterwards(tmp_path: Path) -> None:
    assert not missed(full_disk.run(full_disk.SHORT, tmp_path), but_for_times=True)


def test_with_a_locked_store_dns_goes_on_and_callers_hear_of_it(tmp_path: Path) -> None:
    assert not missed(locked_store.run(locked_store.SHORT, tmp_path), but_for_times=True)


def test_whatever_a_lists_server_does_the_last_good_copy_stays_and_it_is_told(tmp_path: Path) -> None:
    assert not missed(list_sources.run(list_sources.SHORT, tmp_path), but_for_times=True)


def test_a_wall_clock_that_is_set_changes_no_ttl_and_no_limit_and_exempts_nobody_again(tmp_path: Path) -> None:
    assert not missed(set_clock.run(set_clock.SHORT, tmp_path), but_for_times=True)


def test_whatever_happens_to_a_collector_of_logs_every_row_arrives_and_dns_loses_nothing(tmp_path: Path) -> None:
    assert not missed(log_sinks.run(log_sinks.SHORT, tmp_path), but_for_times=True)


def test_alerts_fire_on_their_faults_and_not_before(tmp_path: Path) -> None:
    assert not missed(alerts.run(alerts.SHORT, tmp_path), but_for_times=True)
