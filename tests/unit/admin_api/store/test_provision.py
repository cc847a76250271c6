"""The config file's lists and groups in the store: they come, change and go with the file."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.editing.groups import create_group, update_group
from admin_api.editing.lists import create_list
from admin_api.store import audit, groups, lists, policy
from admin_api.store.policy import PolicyDocument
from admin_api.store.provision import ProvisionError, provision
from admin_api.store.store import Store
from tests.unit.admin_api.store.conftest import KNOWN

RESPONSE = {"mode": "nxdomain", "ttl_seconds": 5, "ipv4": None, "ipv6": None}


def a_list(name: str, content: str = "c0", **counts: int) -> dict[str, Any]:
    return {"name": name, "content": content, "rules": 3, "patterns": 0, "regexes": 0, **counts}


def a_group(name: str, *networks: str, **values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": "",
        "networks": list(networks),
        "exempt": False,
        "mode": "enforce",
        "block": None,
        "allow": [],
        "response": None,
        **values,
    }


def a_file(fingerprint: str, *things: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint,
        "own_vendors": [],
        "response": RESPONSE,
        "lists": [thing for thing in things if "content" in thing],
        "groups": [thing for thing in things if "content" not in thing],
        **values,
    }


async def take(store: Store, file: dict[str, Any]) -> int:
    async with store.change("config file") as change:
        await provision(change, file)
    return change.revision


async def problems(store: Store, file: dict[str, Any]) -> list[str]:
    before = await read(store)
    with pytest.raises(ProvisionError) as raised:
        await take(store, file)
    assert await read(store) == before
    return raised.value.problems


async def read(store: Store) -> PolicyDocument:
    async with store.read() as conn:
        return await policy.read_policy(conn)


async def test_an_empty_store_has_the_default_group_alone(store: Store) -> None:
    document = await read(store)
    assert (document.revision, document.own_vendors, document.lists) == (1, (), ())
    assert document.response == {"mode": "zero-ip", "ttl_seconds": 10, "ipv4": None, "ipv6": None}
    (default,) = document.groups
    assert (default.name, default.origin, default.block) == ("default", "bundled", ("ai", "bypass", "lists"))


async def test_what_the_file_says_is_there_as_its_own(store: Store) -> None:
    revision = await take(
        store,
        a_file(
            "1",
            a_list("house"),
            a_group("staff", "10.0.0.0/8", "fd00::/8", allow=["house"], response=RESPONSE),
            own_vendors=["openai"],
        ),
    )
    document = await read(store)
    assert (document.revision, document.own_vendors, document.response) == (revision, ("openai",), RESPONSE)
    (house,) = document.lists
    assert (house.key, house.kind, house.origin, house.content, house.rules) == ("house", "own", "file", "c0", 3)
    staff = document.groups[1]
    assert (staff.name, staff.origin, staff.networks) == ("staff", "file", ("10.0.0.0/8", "fd00::/8"))
    assert staff.block == ("ai", "bypass", "lists")  # left out: the default group's
    async with store.read() as conn:
        told = {(row.actor, row.action, row.object) for row in await audit.page(conn, limit=10)}
        assert (await groups.get(conn, "staff")).block is None
    assert told == {("config file", "provision", what) for what in ("lists/house", "groups/staff", "policy")}


async def test_the_same_file_again_changes_nothing(store: Store) -> None:
    file = a_file("1", a_list("house"), a_group("staff", "10.0.0.0/8"))
    revision = await take(store, file)
    assert await take(store, file) == revision
    async with store.read() as conn:
        assert (await audit.head(conn))[0] == 3


async def test_a_changed_file_changes_what_changed_and_nothing_else(store: Store) -> None:
    await take(store, a_file("1", a_list("house"), a_list("gone"), a_group("staff", "10.0.0.0/8"), a_group("left")))
    before = await read(store)
    revision = await take(
        store, a_file("2", a_list("house", "c1"), a_list("new"), a_group("staff", "10.0.0.0/8"), a_group("right"))
    )
    document = await read(store)
    assert [row.name for row in document.lists] == ["house", "new"]
    assert (document.lists[0].content, document.lists[0].rules_revision) == ("c1", revision)
    assert [row.name for row in document.groups] == ["default", "right", "staff"]
    assert document.groups[2] == before.groups[2]
    assert document.fingerprint() != before.fingerprint()


async def test_a_network_may_move_from_one_group_of_the_file_to_another(store: Store) -> None:
    await take(store, a_file("1", a_group("left", "10.0.0.0/8", "fd00::/8"), a_group("right", "192.0.2.0/24")))
    await take(store, a_file("2", a_group("left", "192.0.2.0/24", "fd00::/8"), a_group("right", "10.0.0.0/8")))
    by_name = {row.name: row.networks for row in (await read(store)).groups}
    assert by_name == {"default": (), "left": ("192.0.2.0/24", "fd00::/8"), "right": ("10.0.0.0/8",)}


async def test_client_names_come_move_and_go_with_the_file(store: Store) -> None:
    def names(document: PolicyDocument) -> dict[str, tuple[str, ...]]:
        return {row.name: row.client_names for row in document.groups}

    await take(store, a_file("1", a_group("left", client_names=["a", "b"]), a_group("default", client_names=["c"])))
    first = await read(store)
    assert names(first) == {"default": ("c",), "left": ("a", "b")}
    await take(store, a_file("2", a_group("left", client_names=["c"]), a_group("right", client_names=["a"])))
    second = await read(store)
    assert names(second) == {"default": (), "left": ("c",), "right": ("a",)}
    assert first.fingerprint() != second.fingerprint()


async def test_a_client_name_that_the_api_gave_away_is_a_contradiction(store: Store) -> None:
    await create_group(store, {"name": "staff", "client_names": ["kiosk-7", "kiosk-8"]}, known=KNOWN, actor="ana")
    assert await problems(store, a_file("1", a_group("kiosk", client_names=["kiosk-7", "fine", "kiosk-8"]))) == [
        "policy.groups: client name kiosk-7, kiosk-8 of the group 'kiosk' is claimed by the group 'staff', made "
        "through the API: a client name has one group, so remove it from one"
    ]


async def test_the_default_group_is_the_files_while_it_says_so(store: Store) -> None:
    await update_group(
        store, "default", lambda now: {**now, "networks": ["10.0.0.0/8"], "exempt": True}, known=KNOWN, actor="ana"
    )
    default = (await read(store)).groups[0]
    assert (default.origin, default.exempt) == ("bundled", True)
    await take(store, a_file("1", a_group("default", "10.0.0.0/8", block=["ai"]), a_group("staff")))
    default, staff = (await read(store)).groups
    assert (default.origin, default.exempt, default.networks) == ("file", False, ("10.0.0.0/8",))
    assert default.block == staff.block == ("ai",)
    await take(store, a_file("2", a_group("staff", "10.0.0.0/8")))
    default, staff = (await read(store)).groups
    assert (default.origin, default.networks) == ("bundled", ())
    assert default.block == staff.block == ("ai", "bypass", "lists")


async def test_what_the_api_made_already_is_a_contradiction_and_all_are_told(store: Store) -> None:
    await create_list(store, {"name": "house"}, known=KNOWN, actor="ana")
    await create_group(store, {"name": "staff", "networks": ["10.0.0.0/8"]}, known=KNOWN, actor="ana")
    assert await problems(
        store, a_file("1", a_list("house"), a_group("staff"), a_group("other", "10.0.0.0/8"), a_group("fine"))
    ) == [
        "policy.lists: a list 'house' already exists in the API: rename the one in the config file, or delete that one",
        "policy.groups: a group 'staff' already exists in the API: rename the one in the config file, or delete "
        "that one",
        "policy.groups: 10.0.0.0/8 of the group 'other' is claimed by the group 'staff', made through the API: a "
        "network has one group, so remove it from one",
    ]


async def test_a_list_that_a_made_group_names_cannot_leave_the_file(store: Store) -> None:
    await take(store, a_file("1", a_list("house")))
    await create_group(store, {"name": "staff", "block": ["house"]}, known=KNOWN, actor="ana")
    (problem,) = await problems(store, a_file("2"))
    assert "'house' is no longer in the config file, but the group 'staff', made through the API, still name" in problem


async def test_patterns_of_file_and_api_together_are_bounded(store: Store) -> None:
    await create_list(store, {"name": "api", "block": ["a*.example"]}, known=KNOWN, actor="ana")
    await take(store, a_file("1", a_list("house", patterns=9_999)))
    (problem,) = await problems(store, a_file("2", a_list("house", patterns=10_000)))
    assert "there are 10001 patterns" in problem


async def test_the_fingerprint_stands_for_the_policy_and_for_nothing_else(store: Store) -> None:
    prints = [(await read(store)).fingerprint()]
    await create_list(store, {"name": "house", "block": ["a.example"]}, known=KNOWN, actor="ana")
    prints.append((await read(store)).fingerprint())
    await create_group(store, {"name": "staff", "block": ["house"]}, known=KNOWN, actor="ana")
    prints.append((await read(store)).fingerprint())
    assert len(set(prints)) == 3
    async with store.change("tests") as change:  # a note for people, and a time: nothing that is compiled
        row = await groups.get(change.connection, "staff")
        await groups.update(change, row, description="a note")
        await lists.update(change, await lists.get(change.connection, "house"), last_error="late")
    assert (await read(store)).fingerprint() == prints[-1]
