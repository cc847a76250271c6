"""A plan of a large policy, in a process of its own: neither the API's memory nor its time.

Run as ``python -m admin_api.policy_file.child FD``; admin_api.policy_file.messages has what it is asked. Only a
whole plan has all its rules; else it has their numbers and the first of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from admin_api.child_process import do_for_parent
from admin_api.editing.refusals import REFUSALS, refusal_of
from admin_api.policy_file.messages import PLAN_CHANNEL, MakeWholePlan, PlanMade, PlanRefused, TellPlan
from admin_api.policy_file.planning import PolicyPlan
from admin_api.policy_file.trying import InForce, PlanTold, Try, planned_by, tried
from admin_api.store.store import Store
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.snapshot.journal_places import newest
from resolver.snapshot.manifests import read_manifest
from resolver.snapshot.snapshot_file import open_snapshot
from resolver.snapshot.subjects_file import subjects_at
from resolver.telemetry.log import make_log


async def _outcome(order: TellPlan | MakeWholePlan) -> PlanTold | PlanMade | PlanRefused:
    store = await Store.open(order.store_url, order.state_dir, make_log())
    try:
        if isinstance(order, MakeWholePlan):
            async with store.read() as connection:
                return PlanMade(_whole(await planned_by(connection, order.sent)))
        catalogue = order.catalogue.load()
        wanted = Try(order.sent, order.replay_seconds, order.local_of_config)
        return await tried(store, catalogue, wanted, order.state_dir, lambda: _in_force(order))
    except REFUSALS as error:
        refusal = refusal_of(error)
        return PlanRefused(refusal.status, refusal.detail, tuple(refusal.errors))
    finally:
        await store.close()


def _in_force(order: TellPlan) -> InForce | None:
    if order.manifest is None:
        return None
    journal = newest(order.state_dir)
    subjects = subjects_at(journal, None, now())[0] if journal else Subjects()
    return InForce(open_snapshot(read_manifest(order.manifest), check=False), order.revision, subjects)


def _whole(plan: PolicyPlan) -> dict[str, Any]:
    return asdict(plan) | {
        "changes": [
            {**asdict(one), "added": sorted(one.added), "removed": sorted(one.removed)} for one in plan.changes
        ],
    }


if __name__ == "__main__":
    orders: tuple[type[TellPlan | MakeWholePlan], ...] = (TellPlan, MakeWholePlan)
    do_for_parent(PLAN_CHANNEL, orders, lambda order: asyncio.run(_outcome(order)))
