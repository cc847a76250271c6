"""Plans, as many at once as may be, each within its time: small ones here, large ones in a process of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from admin_api.child_process import in_child
from admin_api.editing.refusals import BadRequest
from admin_api.policy_file.messages import PLAN_CHANNEL, MakeWholePlan, PlanMade, PlanRefused, TellPlan
from admin_api.policy_file.planning import PlannedChange, PolicyPlan
from admin_api.policy_file.trying import InForce, PlanTold, Try, tried
from admin_api.store import lists
from admin_api.store.errors import StoreAway
from admin_api.store.revisions import packed_octets
from admin_api.store.store import Store
from blocklists.feed.place import LoadedCatalogue
from resolver.system.channel import Asks

FEW_RULES = 10_000  # and networks and names, of the document and the store together: planned in this process
_FEW_OCTETS = 100_000  # of what revisions did, compressed
_WAIT_SECONDS = 4.0  # for others' plans
_CHILD = "admin_api.policy_file.child"

_Planned = TypeVar("_Planned", PlanTold, PlanMade)


class Plans:
    """All plans of the API go through here. `refused` counts those that were one too many, or took too long."""

    def __init__(self, url: str | None, state_dir: Path, *, at_once: int, seconds: float) -> None:
        self.refused = 0
        self._url = url
        self._state_dir = state_dir
        self._turns = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def tell(
        self, store: Store, loaded: LoadedCatalogue, wanted: Try, in_force: InForce | None, manifest: Path | None
    ) -> PlanTold:
        """Plan it, try it on a copy, and tell. Raises as `tried` does, and BadRequest (503)."""
        async with self.turn():
            if await _is_small(store, wanted.sent):
                return await tried(store, loaded.catalogue, wanted, self._state_dir, lambda: in_force)
            return await self._by_child(
                TellPlan(
                    self._url,
                    self._state_dir,
                    loaded.place,
                    wanted.sent,
                    wanted.replay_seconds,
                    wanted.local_of_config,
                    manifest=manifest if in_force else None,
                    revision=in_force.revision if in_force else 0,
                )
            )

    async def make(self, store: Store, sent: Mapping[str, Any]) -> PolicyPlan | None:
        """The plan of a large policy, to be applied; None for a small one, which is planned in its transaction."""
        async with self.turn():
            if await _is_small(store, sent):
                return None
            made = await self._by_child(MakeWholePlan(self._url, self._state_dir, sent))
            return await asyncio.to_thread(_whole, made.plan)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One of the few that may plan at once, within the time of a plan. Raises BadRequest (503)."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            self.refused += 1
            why = "too many plans at once (admin.plans_at_once): plan again soon"
            raise BadRequest(503, why, Retry_After="5") from None
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError:
            self.refused += 1
            why = f"this plan takes longer than {self._seconds:g} s (admin.plan_seconds): plan less at once"
            raise BadRequest(503, why, Retry_After="5") from None
        finally:
            self._turns.release()

    async def _by_child(self, request: Asks[_Planned | PlanRefused]) -> _Planned:
        answer = await in_child(_CHILD, PLAN_CHANNEL, request, StoreAway, "the planner")
        if isinstance(answer, PlanRefused):
            later = {"Retry_After": "5"} if answer.status == 503 else {}
            raise BadRequest(answer.status, answer.detail, list(answer.errors), **later)
        return answer


async def _is_small(store: Store, sent: Mapping[str, Any]) -> bool:
    """Whether planning it keeps nobody waiting."""
    items = _items(sent.get("policy"))
    async with store.read() as connection:
        items += sum(row.rules for row in await lists.all_lists(connection) if row.content is None)
        if items > FEW_RULES:
            return False
        to = sent.get("to_revision")
        return not isinstance(to, int) or await packed_octets(connection, to) <= _FEW_OCTETS


def _items(value: Any) -> int:
    """How many values there are in lists: rules, networks, names, and whatever else is sent, however deep."""
    count, left = 0, [value]
    while left:
        part = left.pop()
        if isinstance(part, list):
            count += len(part)
        elif isinstance(part, dict):
            part = part.values()
        else:
            continue
        left += [each for each in part if isinstance(each, list | dict)]
    return count


def _whole(plain: Mapping[str, Any]) -> PolicyPlan:
    changes = [
        PlannedChange(
            **{
                **change,
                **{side: frozenset((action, rule) for action, rule in change[side]) for side in ("added", "removed")},
            }
        )
        for change in plain["changes"]
    ]
    return PolicyPlan(plain["revision"], changes, plain["kept"], plain["back_to"])
