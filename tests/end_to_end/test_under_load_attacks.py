"""Short forms of `make prove`: floods and packets that are meant to hurt. Times are left to the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from prove import many_sources, random_subdomains, worst_packets
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_random_subdomains_cost_no_other_name_its_answer(tmp_path: Path) -> None:
    assert not missed(random_subdomains.run(random_subdomains.SHORT, tmp_path), but_for_times=True)


def test_however_many_addresses_ask_what_is_counted_of_them_is_bounded_and_right(tmp_path: Path) -> None:
    assert not missed(many_sources.run(many_sources.SHORT, tmp_path), but_for_times=True)


def test_the_worst_packets_are_bounded_by_caps_and_all_others_answered_beside_them(tmp_path: Path) -> None:
    assert not missed(worst_packets.run(worst_packets.SHORT, tmp_path), but_for_times=True)
