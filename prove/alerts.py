"""Each alert of `deploy/monitoring/` fires on its fault, made for real, and not before: by a real Prometheus.

What happens there is in `alerts_program`: it has a mount namespace of its own, and in it a small disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from prove.figures import Figure
from tests.support.programs import program

WHAT = "every alert rule beside its fault"
_ROOT = Path(__file__).resolve().parent.parent
_ENOUGH_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class AlertsEffort:
    """Size of a run: the full one, or a short look."""

    healthy_seconds: float
    first: int = 0  # of those in FAULTS
    last: int | None = None  # excluded; None: all


FULL = AlertsEffort(healthy_seconds=20.0)
SHORT = AlertsEffort(healthy_seconds=5.0, last=3)


def run(effort: AlertsEffort, folder: Path) -> list[Figure]:
    """All of it, in a mount namespace of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    ran = subprocess.run(
        [
            *(program("unshare"), "--mount", "--map-root-user", "--"),
            *(sys.executable, "-m", "prove.alerts_program", json.dumps({"folder": str(folder), **asdict(effort)})),
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
