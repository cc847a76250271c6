"""A plan made and tried on a copy of the policy, and replayed: what the API's `policy:plan` tells.

Nothing here takes a writer's turn. A small policy is tried in this process, a large one in one of its own (`child`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.editing.errors import Invalid
from admin_api.policy_file.applying import apply
from admin_api.policy_file.document import read_document
from admin_api.policy_file.planning import PolicyPlan, plan_document, plan_rollback
from admin_api.policy_file.replay import Replay, planned_snapshot, replay
from admin_api.policy_file.shadow import cover, shadowed
from admin_api.policy_file.telling import ToldChange, told_change
from admin_api.store import policy as stored
from admin_api.store.errors import StoreAway
from admin_api.store.store import Store
from blocklists.catalogue import Catalogue
from blocklists.sources import known_references
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now as moment
from resolver.wire.local_records import LocalRecord

_ACTOR = "plan"


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy in force that a plan is replayed against, of a store's revision, and who is where."""

    snapshot: PolicySnapshot
    revision: int
    subjects: Subjects


@dataclass(frozen=True, slots=True)
class Try:
    """A document that was sent, or the revision to go back to; and how far back to replay it.

    `local_of_config` are the config's local names, which stand beside those of the plan.
    """

    sent: Mapping[str, Any]  # policy, or to_revision
    replay_seconds: int | None = None
    local_of_config: tuple[LocalRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanTold:
    """A plan as it is told, without most of its rules."""

    revision: int
    changes: list[ToldChange]
    kept: list[str]
    replay: Replay | None = None


async def planned_by(conn: AsyncConnection, sent: Mapping[str, Any]) -> PolicyPlan:
    """By the document that was sent, or by the revision to go back to. Raises Invalid, NotFound."""
    said = {key: value for key, value in sent.items() if value is not None}
    if ("to_revision" in said) == ("policy" in said):  # nothing at all would mean: take everything away
        raise Invalid([("/policy", "use one of policy and to_revision")])
    if "to_revision" in said:
        return await plan_rollback(conn, said["to_revision"])
    return await plan_document(conn, read_document(said))


async def tried(
    store: Store, catalogue: Catalogue, wanted: Try, state_dir: Path, in_force: Callable[[], InForce | None]
) -> PlanTold:
    """Plan it, see that it holds together, and replay it where that is wanted.

    Raises Invalid, TooMany, StoreError as applying does; StoreAway where what is in force is not the newest.
    """
    async with shadowed(store, _ACTOR) as change:
        conn = change.connection
        plan = await planned_by(conn, wanted.sent)
        await cover(conn, [one.name for one in plan.changes if one.kind == "list" and one.action != "create"])
        await apply(change, plan, known_references(catalogue), wanted.local_of_config)
        told = PlanTold(plan.revision, [told_change(one) for one in plan.changes], plan.kept)
        if wanted.replay_seconds is None:
            return told
        now = in_force()
        if now is None or await stored.revision(conn) != now.revision:
            raise StoreAway("the newest policy is not in force yet: plan again soon")
        after = await planned_snapshot(conn, catalogue, now.snapshot, now.revision)
    start = datetime.now(UTC) - timedelta(seconds=wanted.replay_seconds)
    found = await asyncio.to_thread(replay, state_dir, start, now.snapshot, after, now.subjects, moment())
    return replace(told, replay=found)
