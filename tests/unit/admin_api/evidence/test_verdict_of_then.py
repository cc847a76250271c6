"""The verdict of then, held against the one that was given then: the policy changed in every way between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from admin_api.compiling.keeper import PolicyNote
from admin_api.evidence.recording import Recorder, Versions
from admin_api.messages import NodeStatus
from admin_api.policy_file.replay import planned_snapshot
from admin_api.store import policy as stored
from tests.unit.admin_api.conftest import Served

ASKED = [("claude.ai", "127.1.0.1"), ("house.example", "127.2.0.1"), ("sub.house.example", "127.3.0.1")]
_OFFICE = {
    "time_zone": "UTC",
    "windows": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00"}],
}
CHANGES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "lists", {"name": "house", "block": ["house.example"]}),
    ("POST", "groups", {"name": "lab", "networks": ["127.2.0.0/16"]}),
    ("PATCH", "groups/lab", {"exempt": True}),
    ("POST", "lists/house/rules", {"allow": ["sub.house.example"]}),
    ("PATCH", "groups/lab", {"networks": ["127.1.0.0/16", "127.3.0.0/16"]}),
    ("PATCH", "groups/lab", {"exempt": False, "schedule": _OFFICE}),
    ("PATCH", "groups/default", {"mode": "monitor"}),
    ("POST", "lists/house/rules:batchDelete", {"allow": ["sub.house.example"]}),
    ("PATCH", "groups/lab", {"allow": ["anthropic"]}),
    ("PATCH", "lists/house", {"enabled": False}),
    ("PATCH", "groups/default", {"mode": "enforce", "response": {"mode": "nxdomain"}}),
    ("DELETE", "lists/house", None),
    ("POST", "lists", {"name": "house", "block": ["claude.ai", "*.house.example"]}),
    ("PATCH", "groups/lab", {"block": ["lists"]}),
    ("DELETE", "groups/lab", None),
]


class Compiling:
    """A keeper that brings in force what the store has, and a recorder that hears of it."""

    def __init__(self, served: Served, base: int) -> None:
        self.served = served
        self.base = base
        self.first = served.policy.snapshot
        self.adopted: PolicyNote | None = None
        self.hear: Any = None

        async def status() -> NodeStatus:
            return NodeStatus()

        versions = Versions(1, None)
        self.recorder = Recorder(
            *(served.context.store_access, self, status, list, lambda: versions),  # type: ignore[arg-type]
            keeps_days=9,
        )

    async def bring_in_force(self) -> str:
        """Compile the policy of now; gives the time at which it is in force."""
        served = self.served
        assert self.first is not None
        async with served.store.read() as connection:
            revision = await stored.revision(connection)
            snapshot = await planned_snapshot(connection, served.context.catalogue, self.first, self.base)
        served.policy.snapshot, served.policy.revision = snapshot, revision
        self.hear(PolicyNote(datetime.now(UTC), revision, revision, served.context.catalogue.fingerprint))
        await self.recorder.write()
        return datetime.now(UTC).isoformat().replace("+00:00", "Z")


async def _verdict(served: Served, name: str, client: str, at: str | None = None) -> tuple[Any, ...]:
    told = await served.get(f"explain?name={name}&client={client}" + (f"&at={at}" if at else ""))
    return (told["group"]["name"], *(told[key] for key in ("verdict", "list", "rule", "revision")))


@pytest.mark.slow
async def test_each_verdict_of_then_is_the_one_that_was_given_then_whatever_changed_since(served: Served) -> None:
    async with served.store.read() as connection:
        keeper = Compiling(served, await stored.revision(connection))
    await keeper.recorder._begin(served.context.began)
    given: dict[str, list[tuple[Any, ...]]] = {}
    for method, path, body in CHANGES:
        async with served.call(method, path, body) as response:
            assert response.status < 300, await response.text()
        at = await keeper.bring_in_force()
        given[at] = [await _verdict(served, *one) for one in ASKED]
    assert len({tuple(one[1] for one in verdicts) for verdicts in given.values()}) >= 8, "the changes change something"
    for number, at in enumerate(given):
        asked = number % len(ASKED)  # one of them each time: a policy of then is a copy of all tables
        assert (CHANGES[number], await _verdict(served, *ASKED[asked], at)) == (CHANGES[number], given[at][asked])
