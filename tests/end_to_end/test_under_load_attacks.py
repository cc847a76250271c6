"""Short forms of `make prove`: floods and packets that are meant to hurt. Times are left to the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from prove import random_subdomains
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_random_subdomains_cost_no_other_name_its_answer(tmp_path: Path) -> None:
    assert not missed(random_subdomains.run(random_subdomains.SHORT, tmp_path), but_for_times=True)
