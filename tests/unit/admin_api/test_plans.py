"""How many plans there are at once, and how long each may take."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from admin_api.editing.refusals import BadRequest
from admin_api.policy_file import plans
from admin_api.policy_file.plans import Plans
from admin_api.policy_file.trying import Try
from tests.unit.admin_api.conftest import Served


async def test_a_plan_too_many_is_told_to_come_again(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "_WAIT_SECONDS", 0.2)
    bounded = Plans(None, tmp_path, at_once=2, seconds=30)
    gate = asyncio.Event()

    async def slow(*_: object) -> bool:
        await gate.wait()
        return True

    with monkeypatch.context() as patched:
        patched.setattr(plans, "_is_small", slow)
        running = [
            asyncio.ensure_future(
                bounded.tell(served.store, served.context.current.loaded, Try({"policy": {}}), None, None)
            )
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        with pytest.raises(BadRequest, match="plans_at_once") as refused:
            await bounded.make(served.store, {"policy": {}})
        gate.set()
        assert [told.changes for told in await asyncio.gather(*running)] == [[], []]
    assert (refused.value.status, refused.value.headers["Retry-After"], bounded.refused) == (503, "5", 1)
    assert await bounded.make(served.store, {"policy": {}}) is None


@pytest.mark.parametrize(
    ("policy", "is_small"),
    [
        ({"lists": [{"name": "house", "block": ["a.example"] * 10}]}, True),
        ({"lists": [{"name": "house", "allow": ["a.example"] * 10_001}]}, False),
        ({"groups": [{"name": "staff", "networks": ["10.0.0.0/8"] * 10_001}]}, False),
        ({"groups": [{}] * 10_001}, False),
        (["x"], True),
        (None, True),
    ],
)
async def test_whatever_there_is_much_of_makes_a_plan_a_large_one(
    served: Served, policy: object, is_small: bool
) -> None:
    assert await plans._is_small(served.store, {"policy": policy}) is is_small


async def test_a_plan_that_takes_too_long_is_given_up(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "FEW_RULES", -1)
    ended: list[str] = []

    async def never(module: str, *_: object) -> dict[str, object]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(module)
        return {}

    monkeypatch.setattr(plans, "in_child", never)
    bounded = Plans(None, tmp_path, at_once=1, seconds=0.3)
    with pytest.raises(BadRequest, match="plan_seconds") as refused:
        await bounded.make(served.store, {"policy": {}})
    assert (refused.value.status, bounded.refused, ended) == (503, 1, ["admin_api.policy_file.child"])


@pytest.mark.slow
async def test_a_plan_that_its_process_cannot_make_is_told(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "FEW_RULES", -1)
    with pytest.raises(BadRequest) as refused:
        await served.context.plans.tell(served.store, served.context.current.loaded, Try({}), None, None)
    assert (refused.value.status, refused.value.errors[0][0]) == (422, "/policy")
