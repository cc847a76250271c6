"""Short forms of `make prove`: the admin API and the control process under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from prove import api_clients, big_log, killed_control, million_by_api, million_by_url
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_many_rules_and_then_single_ones_are_in_force_soon_while_serving(tmp_path: Path) -> None:
    assert not missed(million_by_api.run(million_by_api.SHORT, tmp_path), but_for_times=True)


def test_a_large_list_by_url_comes_in_force_while_serving(tmp_path: Path) -> None:
    assert not missed(million_by_url.run(million_by_url.SHORT, tmp_path), but_for_times=True)


def test_killing_the_control_process_loses_no_query_and_no_count(tmp_path: Path) -> None:
    assert not missed(killed_control.run(killed_control.SHORT, tmp_path), but_for_times=True)


def test_a_large_query_log_is_searched_and_followed_while_it_grows(tmp_path: Path) -> None:
    assert not missed(big_log.run(big_log.SHORT, tmp_path), but_for_times=True)


def test_clients_of_the_api_cost_dns_nothing(tmp_path: Path) -> None:
    assert not missed(api_clients.run(api_clients.SHORT, tmp_path), but_for_times=True)
