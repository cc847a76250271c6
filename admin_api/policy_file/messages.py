"""Messages between the control process and the child that plans a large policy (admin_api.policy_file.child)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from admin_api.policy_file.trying import PlanTold
from blocklists.feed.place import CataloguePlace
from resolver.system.channel import Asks, MessageSet
from resolver.wire.local_records import LocalRecord

PLAN_SECONDS: Final = 600.0
"""For a plan; admin.plan_seconds ends it sooner."""


@dataclass(frozen=True, slots=True)
class PlanRefused:
    """A plan that cannot be made, as the caller of the API is to be told."""

    status: int
    detail: str
    errors: tuple[tuple[str, str], ...]  # JSON pointer, and what is wrong there


@dataclass(frozen=True, slots=True)
class TellPlan(Asks[PlanTold | PlanRefused]):
    """Plan a policy, try it on a copy and tell. `manifest`: of the policy in force, of that revision."""

    store_url: str | None
    state_dir: Path
    catalogue: CataloguePlace
    sent: Mapping[str, Any]  # JSON, as the caller sent it
    replay_seconds: int | None
    local_of_config: tuple[LocalRecord, ...]
    manifest: Path | None
    revision: int


@dataclass(frozen=True, slots=True)
class PlanMade:
    """A plan with all its rules."""

    plan: Mapping[str, Any]  # JSON: a million rules are made a `Plan` beside the loop


@dataclass(frozen=True, slots=True)
class MakeWholePlan(Asks[PlanMade | PlanRefused]):
    """Plan a policy with all rules that it adds and removes."""

    store_url: str | None
    state_dir: Path
    sent: Mapping[str, Any]  # JSON, as the caller sent it


PLAN_CHANNEL: Final = MessageSet(
    "plan",
    1,
    *(PlanRefused, PlanTold, PlanMade),
    patience_seconds={TellPlan: PLAN_SECONDS, MakeWholePlan: PLAN_SECONDS},
)
