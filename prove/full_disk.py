"""The disk of state_dir is full: DNS goes on, the API says 507, nothing on disk is damaged, and all goes on afterwards.

What happens there is in `full_disk_program`: it has a mount namespace of its own, and in it a small disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from prove.figures import Figure
from tests.support.programs import program

WHAT = "the disk of state_dir is full"
_ROOT = Path(__file__).resolve().parent.parent
_ENOUGH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class FullDiskEffort:
    """Size of a run: the full one, or a short look."""

    seconds: float  # with a full disk; and so long without load for each kill
    queries_per_second: int
    large_policy_rules: int  # of a change whose compiled form finds no room


FULL = FullDiskEffort(seconds=20.0, queries_per_second=2000, large_policy_rules=100_000)
SHORT = FullDiskEffort(seconds=2.0, queries_per_second=500, large_policy_rules=50_000)


def run(effort: FullDiskEffort, folder: Path) -> list[Figure]:
    """All of it, in a mount namespace of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    ran = subprocess.run(
        [
            *(program("unshare"), "--mount", "--map-root-user", "--"),
            *(sys.executable, "-m", "prove.full_disk_program", json.dumps({"folder": str(folder), **asdict(effort)})),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_ENOUGH_SECONDS,
        check=False,
    )
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr[-3000:])
    return [Figure(**figure) for figure in json.loads(ran.stdout)]
