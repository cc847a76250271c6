"""A full disk, inside a mount namespace: ``unshare --mount -- python -m prove.full_disk_program '{"folder": …}'``.

The state directory is a small tmpfs. It is filled to the last octet under load, and gets room again, three times: as it
is; while a large policy is being compiled; and with a worker and the control process killed meanwhile. Figures are
printed as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from prove.figures import Figure, at_least, at_most, exactly, told
from prove.full_disk import FullDiskEffort
from prove.queries import in_turn, mixed, unique
from prove.service import Service
from prove.state import faults_of
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.api import Api, Reply
from tests.support.clients import ask, is_blocked
from tests.support.programs import program, wait_until

_MIB = 96
_BLOCKED = [f"blocked-{number}.example" for number in range(20)]
_CACHED = [f"cached-{number}.example" for number in range(20)]
_PROBLEM = "application/problem+json"
_REFUSAL_SECONDS = 5.0
_AFTERWARDS_SECONDS = 30.0
_LAST = 100  # queries: by then all is well


def main(order: dict[str, Any]) -> list[Figure]:
    """Mount, run, and tell."""
    folder = Path(order.pop("folder"))
    effort = FullDiskEffort(**order)
    state_dir = folder / "moatdns" / "state"
    state_dir.mkdir(parents=True)
    options = f"size={_MIB}m,mode=0700"
    subprocess.run([program("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(state_dir)], check=True)
    with Upstream(folder / "upstream") as upstream:
        config = _config(upstream, [])
        with Service(folder / "moatdns", config, with_api=True) as service:
            api = service.api
            api.post("lists", {"name": "staff", "block": ["first.example"]})
            figures = [
                *_filled(service, api, effort),
                *_compiling(service, upstream, api, effort),
                *_killed(service, api, effort),
            ]
            figures.append(exactly("unexpected errors", len(service.troubles), 0))
    return figures


def _filled(service: Service, api: Api, effort: FullDiskEffort) -> list[Figure]:
    before = api.get("stats/summary")["queries"]
    with Steady(service.port, _load("f"), effort.queries_per_second) as steady:
        with full(service.state_dir):
            refused: list[tuple[Reply, float]] = []
            deadline = time.monotonic() + effort.seconds
            while time.monotonic() < deadline:
                for method, path, body in (
                    ("POST", "lists", {"name": f"more-{len(refused)}", "block": ["more.example"]}),
                    ("POST", "lists/staff/rules", {"block": ["more.example"]}),
                    ("PUT", "leases/192.0.2.7", {"identity": "a", "ttl_seconds": 60}),
                ):
                    began = time.monotonic()
                    refused.append((api.call(method, path, body), time.monotonic() - began))
                time.sleep(0.2)
            faults = faults_of(service.state_dir)
            policy = service.manifest.revision
            ready = api.call("GET", "/ready")
        has_room_at, has_room_since = time.monotonic(), time.time()
        wait_until(
            lambda: api.call("POST", "lists/staff/rules", {"block": ["after.example"]}).status == 200,
            "a write",
            seconds=_AFTERWARDS_SECONDS,
        )
        back = time.monotonic() - has_room_at
        gaps = wait_until(lambda: api.get("audit?action=gap")["items"], "the gap in the audit trail")
        time.sleep(1)
    wrong = [reply for reply, _ in refused if reply.status != 507 or reply.headers["content-type"] != _PROBLEM]
    logged = wait_until(lambda: _logged(api, "blocked-0.example", has_room_since), "the query log goes on")
    summary = api.get("stats/summary")["queries"] - before
    return [
        told(
            f"disk full for {effort.seconds:g} s at {effort.queries_per_second:,} queries/s: queries", len(steady.asked)
        ),
        exactly("full: lost", len(steady.lost), 0),
        told("full: p99", steady.percentile_ms(0.99), "ms"),
        at_least("full: admin writes that were tried", len(refused), 3),
        exactly(f"full: not refused with 507 and {_PROBLEM}", len(wrong), 0),
        at_most("full: longest refusal", max(seconds for _, seconds in refused), _REFUSAL_SECONDS, "s"),
        exactly("full: /ready does not say that it is degraded", ready.body["status"] != "degraded", False),
        exactly("full: faults in snapshots, store, audit trail and journal", len(faults), 0),
        exactly("full: the policy in force was replaced", service.manifest.revision < policy, False),
        at_most("room again: a write goes well after", back, 10, "s"),
        exactly("room again: gaps told by the audit trail", len(gaps), 1),
        exactly(
            "room again: refused changes, less those that the gap tells",
            sum(reply.status == 507 for reply, _ in refused) - gaps[0]["after"]["refused"],
            0,
        ),
        at_least("room again: queries in the query log", logged, 1),
        exactly("room again: counted, less those that were sent", summary - len(steady.asked), 0),
        exactly("room again: faults on disk", len(faults_of(service.state_dir)), 0),
    ]


def _compiling(service: Service, upstream: Upstream, api: Api, effort: FullDiskEffort) -> list[Figure]:
    """The disk is full when a policy is being compiled that the store has taken; and then a new config comes."""
    names = [f"large-{number}.example" for number in range(effort.large_policy_rules)]
    old = service.manifest.revision
    with Steady(service.port, _load("c"), effort.queries_per_second) as steady:
        known = len(service.events)
        api.post("lists/staff/rules", {"block": names}, status=202)  # more than are waited for
        with full(service.state_dir):
            service.wait_for_another("the newest policy is not in force; the old one stays", known, seconds=60)
            service.write_config(_config(upstream, ["config.example"]))
            refused = service.hang_up()["event"] != "reloaded"
            kept = is_blocked(ask(service.port, _BLOCKED[0])) and not is_blocked(ask(service.port, names[0]))
            is_old = service.manifest.revision == old and not is_blocked(ask(service.port, "config.example"))
            faults = faults_of(service.state_dir)
        has_room_at = time.monotonic()
        wait_until(lambda: is_blocked(ask(service.port, names[-1])), "the new policy", seconds=60)
        taken = time.monotonic() - has_room_at
        is_taken = service.hang_up()["event"] == "reloaded" and is_blocked(ask(service.port, "config.example"))
    return [
        told(f"full while {len(names):,} rules are compiled, and a config comes: queries", len(steady.asked)),
        exactly("full while compiling: lost", len(steady.lost), 0),
        exactly("full while compiling: the old policy is not in force", not (kept and is_old and refused), False),
        exactly("full while compiling: faults on disk", len(faults), 0),
        at_most("room again: the policy comes in force by itself after", taken, _AFTERWARDS_SECONDS, "s"),
        exactly("room again: the config is not taken by another SIGHUP", not is_taken, False),
    ]


def _killed(service: Service, api: Api, effort: FullDiskEffort) -> list[Figure]:
    """Processes that begin on a full disk."""
    with full(service.state_dir), Steady(service.port, _load("k"), effort.queries_per_second) as steady:
        victim = service.worker_pids()[0]
        others = set(service.worker_pids()) - {victim}
        killed_at = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: set(service.worker_pids()) - others - {victim}, "another worker")
        control = service.control()
        assert control is not None
        control.kill()
        time.sleep(effort.seconds)
        answered = api.call("GET", "/ready").status
    late = max((asked.sent_at - killed_at for asked in steady.lost), default=0.0)
    wait_until(
        lambda: api.call("POST", "lists/staff/rules", {"block": ["later.example"]}).status == 200,
        "a write",
        seconds=_AFTERWARDS_SECONDS,
    )
    with Steady(service.port, _load("l"), effort.queries_per_second) as after:
        time.sleep(1)
    wait_until(lambda: len(_live_counters(service)) >= 2, "every worker counts in a file again", seconds=30)
    return [
        told("full: a worker and the control process killed; queries", len(steady.asked)),
        at_most("full: the last lost query was asked after the kill", late, 1, "s"),
        exactly("full: lost once the new worker was there", sum(a.lost for a in steady.asked[-_LAST:]), 0),
        exactly("full: the new control process answers", answered in (200, 503), True),
        exactly("room again: lost", len(after.lost), 0),
        exactly("room again: faults on disk after the kills", len(faults_of(service.state_dir)), 0),
    ]


def _live_counters(service: Service) -> list[Path]:
    pids = set(service.worker_pids())
    return [
        path for path in (service.state_dir / "counters").glob("*.counters") if int(path.name.split("-")[0]) in pids
    ]


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """Within, nothing more goes onto that disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            room = os.statvfs(folder)
            more = room.f_bavail * room.f_frsize
            if more <= 0:
                break
            file.write(b"\0" * min(more, 1 << 20))
    try:
        yield
    finally:
        filler.unlink()


def _logged(api: Api, name: str, since: float) -> int:
    rows = api.get(f"queries?limit=100&name={name}")["items"]
    return sum(_unix(row["at"]) >= since for row in rows)


def _unix(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _load(prefix: str) -> Iterator[tuple[str, bytes]]:
    return mixed(in_turn(_BLOCKED), in_turn(_CACHED), unique(prefix))


def _config(upstream: Upstream, names: list[str]) -> dict[str, Any]:
    lists: list[dict[str, Any]] = [{"name": "house", "block": _BLOCKED}]
    if names:
        lists.append({"name": "later", "block": names})
    return {"workers": 2, "upstream": {"servers": [upstream.server]}, "policy": {"lists": lists}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps([asdict(figure) for figure in main(json.loads(sys.argv[1]))]))
