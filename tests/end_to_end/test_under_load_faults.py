"""Short forms of `make prove`: faults of the disk, the store, the clock, the lists. Times are left to the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from prove import full_disk, locked_store
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_with_a_full_disk_dns_goes_on_and_everything_else_afterwards(tmp_path: Path) -> None:
    assert not missed(full_disk.run(full_disk.SHORT, tmp_path), but_for_times=True)


def test_with_a_locked_store_dns_goes_on_and_callers_hear_of_it(tmp_path: Path) -> None:
    assert not missed(locked_store.run(locked_store.SHORT, tmp_path), but_for_times=True)
