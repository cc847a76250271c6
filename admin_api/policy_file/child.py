"""A plan of a large policy, in a process of its own: neither the API's memory nor its time.

Run as ``python -m admin_api.policy_file.child``: one order on stdin, one outcome on stdout, as JSON. ``{"url",
"state_dir", "catalogue", "sent", "replay_seconds", "manifest", "revision", "whole"}`` → ``{"plan", "replay"}``,
``{"refused"}`` for what the caller is to be told, or ``{"error"}``. Only a plan that is asked for `whole` has all its
rules; else it has their numbers and the first of them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from admin_api.editing.refusals import REFUSALS, refusal_of
from admin_api.policy_file.planning import Plan
from admin_api.policy_file.replay import Replay
from admin_api.policy_file.telling import told_change
from admin_api.policy_file.trying import InForce, Try, planned_by, tried
from admin_api.store.store import Store
from blocklists.loading import load_catalogue
from resolver.errors import MoatdnsError
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.snapshot.snapshot_file import open_snapshot, read_manifest
from resolver.snapshot.subjects_file import newest, subjects_at
from resolver.telemetry.log import make_log

_NICE = 10  # serving comes first


async def _outcome(order: dict[str, Any]) -> dict[str, Any]:
    state_dir = Path(order["state_dir"])
    wanted = Try(order["sent"], order["replay_seconds"])
    store = await Store.open(order["url"], state_dir, make_log())
    try:
        if order["whole"]:
            async with store.read() as connection:
                return {"plan": _whole(await planned_by(connection, wanted.sent)), "replay": None}
        catalogue = load_catalogue(Path(order["catalogue"]) if order["catalogue"] else None)
        plan, replayed = await tried(store, catalogue, wanted, state_dir, lambda: _in_force(order, state_dir))
        return {"plan": _told(plan), "replay": _plain(replayed)}
    except REFUSALS as error:
        refusal = refusal_of(error)
        return {"refused": [refusal.status, refusal.detail, list(refusal.errors)]}
    finally:
        await store.close()


def _in_force(order: dict[str, Any], state_dir: Path) -> InForce | None:
    if order["manifest"] is None:
        return None
    journal = newest(state_dir)
    subjects = subjects_at(journal, None, now())[0] if journal else Subjects()
    return InForce(open_snapshot(read_manifest(Path(order["manifest"])), check=False), order["revision"], subjects)


def _told(plan: Plan) -> dict[str, Any]:
    return {"revision": plan.revision, "changes": [told_change(one) for one in plan.changes], "kept": plan.kept}


def _whole(plan: Plan) -> dict[str, Any]:
    return asdict(plan) | {
        "changes": [
            {**asdict(one), "added": sorted(one.added), "removed": sorted(one.removed)} for one in plan.changes
        ],
    }


def _plain(replayed: Replay | None) -> dict[str, Any] | None:
    return None if replayed is None else asdict(replayed)


def main() -> None:
    """Do what stdin says."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal sends them to all; the supervisor decides
    os.nice(_NICE)
    gc.disable()  # a million rules make no cycles, and the process ends soon
    order = json.loads(sys.stdin.readline())
    try:
        outcome = asyncio.run(_outcome(order))
    except MoatdnsError as error:
        outcome = {"error": str(error)}
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
