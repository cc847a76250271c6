"""The control process is killed under load, again and again: no query is lost, and every count is right in the end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from prove.dnsperf import dnsperf
from prove.figures import Figure, at_most, exactly, told
from prove.queries import write_for_dnsperf
from prove.service import Service
from prove.upstream import Upstream
from tests.support.programs import wait_until

WHAT = "the control process is killed with SIGKILL under load"
_BLOCKED = ["claude.ai", "api.openai.com"]
_OPEN = [f"open-{number}.example" for number in range(100)]
_BACK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class KilledControlEffort:
    """Size of a run: the full one, or a short look."""

    kills: int
    queries_per_second: int


FULL = KilledControlEffort(kills=20, queries_per_second=5000)
SHORT = KilledControlEffort(kills=2, queries_per_second=1000)


def run(effort: KilledControlEffort, folder: Path) -> list[Figure]:
    """Kill, wait until it is back, count."""
    write_for_dnsperf(queries := folder / "queries", [*_BLOCKED, *_OPEN])
    back: list[float] = []
    with Upstream(folder / "upstream") as upstream:
        config = {"workers": 2, "upstream": {"servers": [upstream.server]}}
        with Service(folder / "moatdns", config, with_api=True) as service:
            api = service.api
            with dnsperf(service.port, queries, effort.queries_per_second) as load:
                for _ in range(effort.kills):
                    control = service.control()
                    assert control is not None
                    control.kill()
                    began = time.monotonic()
                    api.get("/ready")  # waits in the supervisor's socket until there is a new one
                    back.append(time.monotonic() - began)
                    wait_until(
                        lambda: api.call("GET", "stats/summary").status == 200, "statistics", seconds=_BACK_SECONDS
                    )
            assert load.load
            summary = api.get("stats/summary")
            blocked = sum(item["blocked"] for item in api.get("stats/top?by=domain")["items"])
        troubles = len(service.troubles)
    sent = load.load.sent
    return [
        told("kills", effort.kills),
        told("queries", sent),
        exactly("lost of them", load.load.lost, 0),
        exactly("counted, less those that were sent", summary["queries"] - sent, 0),
        exactly("blocked, less the sum over all names", summary["blocked"] - blocked, 0),
        at_most("the API answers again after, longest", max(back), 10, "s"),
        exactly("unexpected errors", troubles, 0),
    ]
