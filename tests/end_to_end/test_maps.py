"""What a worker holds mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.moatdns import Moatdns


def config(number: int) -> dict[str, Any]:
    return {
        "workers": 1,
        "upstream": {"servers": ["127.0.0.1:1"]},
        "policy": {"lists": [{"name": "house", "block": [f"a{number}.example"]}]},
    }


def test_a_worker_lets_go_of_the_policies_that_are_not_in_force(tmp_path: Path) -> None:
    with Moatdns(tmp_path, config(0)) as moatdns:
        for number in range(1, 5):
            moatdns.reload(config(number))
        (worker,) = moatdns.workers()
        names = {Path(entry.path.removesuffix(" (deleted)")).name for entry in worker.memory_maps()}
        assert len([name for name in names if name.startswith("rules-")]) == 2  # the names and numbers of one policy
