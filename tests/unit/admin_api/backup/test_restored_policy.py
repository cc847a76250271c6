"""Openings by a restored policy: what they are, that they are closed, and what an admin makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.second_owner.standing import standing_openings
from admin_api.store import groups, lists, local_names, restored, rules
from admin_api.store.errors import NotFound, NothingLost
from admin_api.store.policy import DEFAULT_GROUP
from admin_api.store.restored import SuspendedThings
from admin_api.store.states import GroupState
from admin_api.store.store import Store
from blocklists.catalogue import Catalogue
from blocklists.loading import load_catalogue
from tests.unit.admin_api.states import group_state
from tests.unit.admin_api.store.conftest import make_list

AT = "2026-11-27T03:00:00Z"
CLOSED = ["ai", "bypass", "lists"]  # what everybody's default blocks
REFUSED = {"mode": "refused", "ttl_seconds": 10, "ipv4": None, "ipv6": None}
SCHEDULE: dict[str, object] = {
    "time_zone": "UTC",
    "windows": [{"days": ["mon"], "start": "08:00", "end": "18:00"}],
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The bundled one."""
    return load_catalogue()


async def make_group(store: Store, name: str, **said: Any) -> None:
    async with store.change("ana") as change:
        row = await groups.create(change, group_state(name, **said))
        change.record("create", f"groups/{name}", None, row.plain())
        change.touches_policy()


async def suspend(store: Store, catalogue: Catalogue) -> SuspendedThings | None:
    async with store.change("command line") as change:
        await restored.suspend(change, AT, [], await standing_openings(change.connection, catalogue))
    async with store.read() as connection:
        return await restored.suspended(connection)


async def confirm(store: Store, *policy: str, leave: tuple[str, ...] = ()) -> tuple[str, ...]:
    async with store.change("root") as change:
        return (await restored.confirm(change, [], [], policy, leave=leave, owner="root")).policy


async def state_of(store: Store, name: str) -> GroupState:
    async with store.read() as connection:
        return (await groups.get(connection, name)).plain()


async def rules_of(store: Store, name: str = "house") -> set[tuple[str, str]]:
    async with store.read() as connection:
        row = await lists.get(connection, name)
        return set(await rules.page(connection, row, contains=None, limit=100, after=None))


WAYS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"exempt": True}, {"exempt": False}, "is exempt"),
    ({"mode": "monitor"}, {"mode": "enforce"}, "only watches"),
    ({"block": []}, {"block": CLOSED}, "does not block ai, bypass, lists"),
    ({"block": ["lists"]}, {"block": ["lists", "ai", "bypass"]}, "does not block ai, bypass"),
    ({"allow": ["anthropic"]}, {"allow": []}, "allows anthropic"),
    ({"schedule": SCHEDULE}, {"schedule": None}, "is only monitored outside its schedule"),
    ({"response": REFUSED}, {"response": None}, "answers blocked names by refused"),
]


async def test_each_way_in_which_a_group_opens_names_is_closed_and_comes_back_when_it_is_confirmed(
    store: Store, catalogue: Catalogue
) -> None:
    for number, (opening, _, _) in enumerate(WAYS):
        await make_group(store, f"lab-{number}", networks=[f"10.{number}.0.0/16"], **opening)
    await make_group(store, "strict", block=[*CLOSED, "gateways"], response={**REFUSED, "mode": "nxdomain"})
    before = [await state_of(store, f"lab-{number}") for number in range(len(WAYS))]
    waiting = await suspend(store, catalogue)
    assert waiting is not None
    assert [(one.object, one.opens, one.closed) for one in waiting.policy] == [
        (f"groups/lab-{number}", (told,), True) for number, (_, _, told) in enumerate(WAYS)
    ]
    assert waiting.told.endswith(
        f"{len(WAYS)} openings by the policy (groups/lab-0, groups/lab-1, groups/lab-2, groups/lab-3, groups/lab-4 and "
        "2 more) are suspended until an admin confirms or revokes them ('moatdns store confirm-restored')"
    )
    for number, (_, closed, _) in enumerate(WAYS):
        name = f"lab-{number}"
        assert await state_of(store, name) == {**before[number], **closed}
        assert await confirm(store, f"groups/{name}") == (f"groups/{name}",)
        assert await state_of(store, name) == before[number]
    with pytest.raises(NothingLost):
        await confirm(store, "groups/lab-0")


async def test_what_default_does_not_block_is_closed_with_those_that_follow_it(
    store: Store, catalogue: Catalogue
) -> None:
    await make_group(store, "follows")
    async with store.change("ana") as change:
        row = await groups.get(change.connection, DEFAULT_GROUP)
        await groups.update(change, row, block=["gateways"], mode="monitor")
        change.touches_policy()
    waiting = await suspend(store, catalogue)
    assert waiting is not None
    assert [one.object for one in waiting.policy] == ["groups/default"]
    default = await state_of(store, DEFAULT_GROUP)
    assert (default["mode"], default["block"]) == ("enforce", ["gateways", *CLOSED])


async def test_allow_rules_of_own_lists_are_taken_out_and_a_disabled_list_is_told(
    store: Store, catalogue: Catalogue
) -> None:
    await make_list(store, block=["blocked.example"], allow=["fine.example", "*.good.example"])
    await make_list(store, "tried", block=["other.example"])
    async with store.change("ana") as change:
        await lists.update(change, await lists.get(change.connection, "tried"), enabled=False)
    was = await rules_of(store)
    waiting = await suspend(store, catalogue)
    assert waiting is not None
    assert [(one.object, one.opens, one.closed) for one in waiting.policy] == [
        ("lists/house", ("allows *.good.example, fine.example",), True),
        ("lists/tried", ("is disabled, with 1 rules",), False),
    ]
    assert "; lists/tried is open, and to be confirmed" in waiting.told
    assert await rules_of(store) == {("block", "blocked.example")}
    await confirm(store, "lists/house", "lists/tried")
    assert await rules_of(store) == was
    async with store.read() as connection:
        assert (await lists.get(connection, "house")).rules == 3
        assert (await lists.get(connection, "tried")).enabled is False
        assert await restored.suspended(connection) is None


async def test_what_is_left_closed_waits_no_longer_and_what_is_removed_neither(
    store: Store, catalogue: Catalogue
) -> None:
    for name in ("lab", "other", "gone"):
        await make_group(store, name, exempt=True)
    await suspend(store, catalogue)
    assert await confirm(store, leave=("groups/lab",)) == ()
    async with store.change("ben") as change:
        await groups.delete(change, await groups.get(change.connection, "gone"))
        change.touches_policy()
    async with store.read() as connection:
        waiting = await restored.suspended(connection)
    assert waiting is not None
    assert [one.object for one in waiting.policy] == ["groups/other"]
    assert (await state_of(store, "lab"))["exempt"] is False


async def test_what_an_admin_changed_meanwhile_stays_when_the_rest_is_confirmed(
    store: Store, catalogue: Catalogue
) -> None:
    await make_list(store)
    await make_group(store, "lab", exempt=True, allow=["house"], block=[])
    await suspend(store, catalogue)
    async with store.change("ben") as change:
        await groups.update(change, await groups.get(change.connection, "lab"), block=["ai"], description="new")
        change.touches_policy()
    async with store.change("ben") as change:
        await lists.delete(change, await lists.get(change.connection, "house"))
        change.touches_policy()
    with pytest.raises(NotFound, match="list 'house', which group 'lab' named"):
        await confirm(store, "groups/lab")
    await make_list(store)
    await confirm(store, "groups/lab")
    after = await state_of(store, "lab")
    assert (after["exempt"], after["allow"], after["block"], after["description"]) == (True, ["house"], ["ai"], "new")


async def test_what_the_config_file_makes_is_left_alone(store: Store, catalogue: Catalogue) -> None:
    async with store.change("moatdns") as change:
        await groups.create(change, group_state("guests", exempt=True), origin="file")
        row = await groups.create(change, group_state("legal", allow=["house"]), origin="file")
        change.touches_policy()
    await make_list(store, block=["blocked.example"])
    waiting = await suspend(store, catalogue)
    assert waiting is not None
    (one,) = waiting.policy
    assert (one.object, one.closed) == ("lists/house", False)
    assert one.opens == (f"is allowed in group {row.name} by the config file, which stays open",)
    assert (await state_of(store, "guests"))["exempt"] is True


async def test_local_names_stay_and_are_told(store: Store, catalogue: Catalogue) -> None:
    async with store.change("ana") as change:
        await local_names.put(change, "printer.office.example", ("192.0.2.7",))
        change.touches_policy()
    waiting = await suspend(store, catalogue)
    assert waiting is not None
    (one,) = waiting.policy
    assert (one.object, one.closed) == ("local", False)
    assert one.opens == ("names are answered whatever the policy says: printer.office.example",)
    await confirm(store, "local")
    async with store.read() as connection:
        assert len(await local_names.all_names(connection)) == 1
        assert await restored.suspended(connection) is None
