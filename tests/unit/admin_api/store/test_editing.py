"""Changes that admins ask for: whole and in force, or refused with every mistake at its place and nothing changed."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable
from typing import Any

import pytest

from admin_api.editing import lists as editing_lists
from admin_api.editing import rules as editing_rules
from admin_api.editing.errors import Invalid
from admin_api.editing.groups import create_group, delete_group, update_group
from admin_api.editing.lists import create_list, delete_list, update_list
from admin_api.editing.rules import write_rules
from admin_api.store import audit, groups, lists, rules
from admin_api.store.errors import Duplicate, InUse, NotFound, OwnedByFile, StaleVersion, TooMany
from admin_api.store.policy import read_policy
from admin_api.store.provision import provision
from admin_api.store.store import Store
from tests.unit.admin_api.store.conftest import KNOWN
from tests.unit.admin_api.store.test_provision import a_file, a_group, a_list

ANA = {"known": KNOWN, "actor": "ana"}


async def state(store: Store) -> Any:
    async with store.read() as conn:
        return await read_policy(conn), await audit.head(conn)


async def refused(store: Store, attempt: Awaitable[Any]) -> dict[str, str]:
    """What is told at which place; that nothing changed is checked."""
    before = await state(store)
    with pytest.raises(Invalid) as raised:
        await attempt
    assert await state(store) == before
    return dict(raised.value.errors)


async def rules_of(store: Store, name: str = "house") -> list[tuple[str, str]]:
    async with store.read() as conn:
        row = await lists.get(conn, name)
        return await rules.page(conn, row, contains=None, limit=1000, after=None)


async def trail(store: Store) -> list[tuple[str, str, Any, Any]]:
    async with store.read() as conn:
        return [(row.action, row.object, row.before, row.after) for row in await audit.page(conn, limit=100)]


async def test_a_list_is_made_with_its_rules_in_their_normal_form(store: Store) -> None:
    body = {"name": "house", "block": ["Example.COM.", "=a.example", "example.com"], "allow": ["*.ok.example"]}
    made = await create_list(store, body, request_id="r-1", **ANA)
    assert (made.row.rules, made.row.enabled, made.row.origin) == (3, True, "api")
    document, head = await state(store)
    assert document.revision == made.revision == made.row.rules_revision
    assert document.lists == (made.row,)
    assert await rules_of(store) == [("allow", "*.ok.example"), ("block", "=a.example"), ("block", "example.com")]
    assert await trail(store) == [
        (
            "create",
            "lists/house",
            None,
            {
                "name": "house",
                "kind": "own",
                "origin": "api",
                "enabled": True,
                "rules": 3,
                "added": {"allow": ["*.ok.example"], "block": ["=a.example", "example.com"]},
            },
        )
    ]
    assert head[0] == 1


async def test_every_bad_rule_is_told_at_its_place(store: Store) -> None:
    errors = await refused(
        store,
        create_list(
            store,
            {
                "name": "house",
                "block": ["com", "co.uk", "ok.example", "not a name", 7, "https://a.example/", "\ud800", "/a\0/"],
                "allow": ["a..b", "com", "x" * 1000],
            },
            **ANA,
        ),
    )
    assert set(errors) == {
        *(f"/block/{number}" for number in (0, 1, 3, 4, 5, 6, 7)),
        "/allow/0",
        "/allow/2",
    }
    assert "public suffix" in errors["/block/0"]
    assert "should be text" in errors["/block/4"]


async def test_of_very_many_mistakes_the_first_are_told(store: Store) -> None:
    errors = await refused(store, create_list(store, {"name": "house", "block": ["com"] * 5000}, **ANA))
    assert len(errors) == 101
    assert errors[""] == "there are 5000 errors: the first 100 are shown"


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"name": "anthropic"}, "/name"),
        ({"name": "lists"}, "/name"),
        ({"name": "Upper"}, "/name"),
        ({"name": ""}, "/name"),
        ({}, "/name"),
        ({"name": "house", "enabled": "perhaps"}, "/enabled"),
        ({"name": "house", "enable": True}, "/enable"),
        ({"name": "house", "url": "https://lists.example/a b"}, "/url"),
    ],
)
async def test_a_bad_list_is_refused(store: Store, body: dict[str, Any], at: str) -> None:
    assert set(await refused(store, create_list(store, body, **ANA))) == {at}


async def test_a_list_is_switched_off_and_on(store: Store) -> None:
    made = await create_list(store, {"name": "house"}, **ANA)
    off = await update_list(store, "house", lambda now: {**now, "enabled": False}, actor="ana")
    assert (off.row.enabled, off.row.version, off.revision) == (False, 2, made.revision + 1)
    same = await update_list(store, "house", lambda now: now, actor="ana")
    assert (same.row, same.revision) == (off.row, off.revision)
    errors = await refused(store, update_list(store, "house", lambda now: {**now, "name": "home"}, actor="ana"))
    assert set(errors) == {"/name"}


async def test_a_list_that_a_group_names_stays(store: Store) -> None:
    await create_list(store, {"name": "house"}, **ANA)
    await create_group(store, {"name": "staff", "allow": ["house"]}, **ANA)
    before = await state(store)
    with pytest.raises(InUse, match="list 'house' is in use by group 'staff'"):
        await delete_list(store, "house", actor="ana")
    assert await state(store) == before
    await delete_group(store, "staff", actor="ana")
    revision = await delete_list(store, "house", actor="ana")
    assert (await state(store))[0].revision == revision
    with pytest.raises(NotFound):
        await delete_list(store, "house", actor="ana")


async def test_names_are_unique(store: Store) -> None:
    await create_list(store, {"name": "house"}, **ANA)
    await create_group(store, {"name": "house"}, **ANA)  # a group is no list
    with pytest.raises(Duplicate):
        await create_list(store, {"name": "house"}, **ANA)
    with pytest.raises(Duplicate):
        await create_group(store, {"name": "house"}, **ANA)


async def test_rules_are_added_and_removed_and_the_trail_says_which(store: Store) -> None:
    made = await create_list(store, {"name": "house", "block": ["a.example"]}, **ANA)
    added = await write_rules(store, "house", block=["a.example", "B.example"], allow=["c.example"], actor="ana")
    assert (added.changed, added.row.rules, added.row.version) == (2, 3, made.row.version + 1)
    removed = await write_rules(store, "house", removes=True, block=["A.example", "z.example"], actor="ben")
    assert (removed.changed, removed.row.rules, removed.revision) == (1, 2, added.revision + 1)
    assert (await trail(store))[:2] == [
        ("remove rules", "lists/house", {"rules": 3, "removed": {"block": ["a.example"]}}, {"rules": 2}),
        (
            "add rules",
            "lists/house",
            {"rules": 1},
            {"rules": 3, "added": {"allow": ["c.example"], "block": ["b.example"]}},
        ),
    ]
    nothing = await write_rules(store, "house", block=["b.example"], actor="ana")
    assert (nothing.changed, nothing.revision, nothing.row) == (0, removed.revision, removed.row)


async def test_a_rule_that_would_be_refused_today_can_be_removed(store: Store) -> None:
    await create_list(store, {"name": "house"}, **ANA)
    async with store.change("an older version") as change:
        await rules.add(change, await lists.get(change.connection, "house"), block=["com"])
    assert (await write_rules(store, "house", removes=True, block=["com"], actor="ana")).changed == 1


async def test_a_list_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing_rules, "MOST_RULES", 3)
    await create_list(store, {"name": "house", "block": ["a.example", "b.example"]}, **ANA)
    await write_rules(store, "house", block=["a.example", "b.example", "c.example"], actor="ana")
    errors = await refused(store, write_rules(store, "house", allow=["d.example"], actor="ana"))
    assert "at most 3" in errors["/allow"]
    monkeypatch.setattr(editing_lists, "MOST_LISTS", 1)
    with pytest.raises(TooMany):
        await create_list(store, {"name": "other"}, **ANA)


@pytest.mark.slow
async def test_expressions_are_bounded_over_all_lists(store: Store) -> None:
    await create_list(store, {"name": "one", "block": [f"/^a{number}x/" for number in range(600)]}, **ANA)
    more = [f"/^b{number}x/" for number in range(401)]
    errors = await refused(store, create_list(store, {"name": "two", "allow": more}, **ANA))
    assert "at most 1000 regular expressions" in errors["/allow"]
    await create_list(store, {"name": "two", "allow": more[:400]}, **ANA)
    assert set(await refused(store, write_rules(store, "two", block=["ok.example", "/^zz/"], actor="ana"))) == {
        "/block"
    }


@pytest.mark.slow
async def test_a_hundred_thousand_rules_hold_up_nobody(store: Store) -> None:
    await create_list(store, {"name": "house"}, **ANA)
    block = [f"host{number}.example{number % 977}.com" for number in range(100_000)]
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            begun = time.thread_time()  # of this thread's own work, however busy the machine is
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)

    gc.collect()
    gc.freeze()  # what other tests have left is no work of this one
    watcher = asyncio.create_task(watch())
    written = await write_rules(store, "house", block=block, actor="ana")
    watcher.cancel()
    gc.unfreeze()
    assert written.row.rules == 100_000
    assert longest < 0.1  # measured: below 0.02 s
    (newest, *_) = await trail(store)
    assert len(newest[3]["added"]["block"]) == 100
    assert newest[3]["added"]["more"] == 99_900


async def test_a_group_is_made_in_its_normal_form(store: Store) -> None:
    made = await create_group(
        store,
        {
            "name": "staff",
            "description": "all of us",
            "networks": ["10.20.0.7", "::ffff:192.0.2.0/120"],
            "block": [" ai ", "anthropic/claude"],
            "response": {"mode": "address", "ipv4": "192.0.2.9"},
        },
        **ANA,
    )
    assert made.row.networks == ("10.20.0.7/32", "192.0.2.0/24")
    assert (made.row.block, made.row.allow, made.row.mode) == (("ai", "anthropic/claude"), (), "enforce")
    assert made.row.response == {"mode": "address", "ttl_seconds": 10, "ipv4": "192.0.2.9", "ipv6": None}
    async with store.read() as conn:
        assert await groups.get(conn, "staff") == made.row


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"networks": ["10.0.0.0/8", "10.0.0.1/8"]}, "/networks/1"),
        ({"networks": ["192.0.2.7"]}, "/networks/0"),
        ({"networks": ["10.0.0.0/33"]}, "/networks/0"),
        ({"networks": "10.0.0.0/8"}, "/networks"),
        ({"client_names": ["fine", "-bad"]}, "/client_names/1"),
        ({"client_names": ["fine", "x" * 64, "a.b", ""]}, "/client_names/1 /client_names/2 /client_names/3"),
        ({"client_names": ["At-Home"]}, "/client_names/0"),
        ({"client_names": [f"c{number}" for number in range(5001)]}, "/client_names"),
        ({"block": ["ai", "nowhere"]}, "/block/1"),
        ({"allow": ["anthropic/nothing"]}, "/allow/0"),
        ({"block": ["example.com"]}, "/block/0"),
        ({"mode": "watch"}, "/mode"),
        ({"response": {"mode": "address"}}, "/response/mode"),
        ({"response": {"mode": "nodata", "ttl_seconds": -1}}, "/response/ttl_seconds"),
        ({"description": "x" * 1001}, "/description"),
        ({"description": "nul\0"}, "/description"),
        ({"exempt": None}, "/exempt"),
        ({"network": []}, "/network"),
        (
            {"schedule": {"time_zone": "Europe/Berln", "windows": [{"start": "8:00", "end": "18:00"}]}},
            "/schedule/time_zone /schedule/windows/0/start",
        ),
        ({"networks": [f"10.{number >> 8}.{number & 255}.0/24" for number in range(5001)]}, "/networks"),
    ],
)
async def test_a_bad_group_is_refused(store: Store, body: dict[str, Any], at: str) -> None:
    await create_group(store, {"name": "home", "networks": ["192.0.2.7/32"], "client_names": ["at-home"]}, **ANA)
    assert set(await refused(store, create_group(store, {"name": "staff", **body}, **ANA))) == set(at.split())
    await create_group(store, {"name": "staff"}, **ANA)
    attempt = update_group(store, "staff", lambda now: {**now, **body}, **ANA)
    assert set(await refused(store, attempt)) == set(at.split())


async def test_a_group_may_name_lists_but_only_those_that_exist(store: Store) -> None:
    await create_list(store, {"name": "house"}, **ANA)
    await create_group(store, {"name": "staff", "block": ["house"]}, **ANA)
    errors = await refused(store, create_group(store, {"name": "other", "block": ["hose"]}, **ANA))
    assert "did you mean 'house'?" in errors["/block/0"]


async def test_a_network_can_be_taken_over_once_it_is_free(store: Store) -> None:
    await create_group(store, {"name": "left", "networks": ["10.0.0.0/8", "192.0.2.0/24"]}, **ANA)
    errors = await refused(store, create_group(store, {"name": "right", "networks": ["192.0.2.0/24"]}, **ANA))
    assert errors["/networks/0"].startswith("192.0.2.0/24 belongs to the group 'left' and to 'right'")
    await update_group(store, "left", lambda now: {**now, "networks": ["10.0.0.0/8"]}, **ANA)
    await create_group(store, {"name": "right", "networks": ["192.0.2.0/24"]}, **ANA)
    await delete_group(store, "left", actor="ana")
    both = ["192.0.2.0/24", "10.0.0.0/8"]
    right = await update_group(store, "right", lambda now: {**now, "networks": both}, **ANA)
    assert right.row.networks == tuple(both)


async def test_a_client_name_can_be_taken_over_once_it_is_free(store: Store) -> None:
    await create_group(store, {"name": "left", "client_names": ["Kiosk-7", "kiosk-8"]}, **ANA)
    errors = await refused(store, create_group(store, {"name": "right", "client_names": ["x", "kiosk-7"]}, **ANA))
    assert errors["/client_names/1"].startswith("kiosk-7 belongs to the group 'left' and to 'right'")
    left = await update_group(store, "left", lambda now: {**now, "client_names": ["kiosk-8"]}, **ANA)
    assert left.row.client_names == ("kiosk-8",)
    right = await create_group(store, {"name": "right", "client_names": ["kiosk-7"]}, **ANA)
    async with store.read() as conn:
        assert await groups.get(conn, "right") == right.row
    await delete_group(store, "left", actor="ana")
    right = await update_group(store, "right", lambda now: {**now, "client_names": ["kiosk-8", "kiosk-7"]}, **ANA)
    assert right.row.client_names == ("kiosk-8", "kiosk-7")


async def test_the_default_group_can_be_changed_but_not_removed(store: Store) -> None:
    written = await update_group(store, "default", lambda now: {**now, "block": ["ai"]}, **ANA)
    assert (written.row.origin, written.row.block) == ("bundled", ("ai",))
    with pytest.raises(InUse, match="group 'default' is in use"):
        await delete_group(store, "default", actor="ana")


async def test_a_writer_that_looked_too_long_ago_is_told(store: Store) -> None:
    row = (await create_group(store, {"name": "staff"}, **ANA)).row
    await update_group(store, "staff", lambda now: {**now, "exempt": True}, expected_version=row.version, **ANA)
    house = (await create_list(store, {"name": "house"}, **ANA)).row
    await write_rules(store, "house", block=["a.example"], expected_version=house.version, actor="ana")
    before = await state(store)
    for attempt in (
        update_group(store, "staff", lambda now: {**now, "mode": "monitor"}, expected_version=row.version, **ANA),
        delete_group(store, "staff", expected_version=row.version, actor="ana"),
        update_list(store, "house", lambda now: {**now, "enabled": False}, expected_version=1, actor="ana"),
        delete_list(store, "house", expected_version=1, actor="ana"),
        write_rules(store, "house", block=["b.example"], expected_version=1, actor="ana"),
        write_rules(store, "house", removes=True, block=["a.example"], expected_version=1, actor="ana"),
    ):
        with pytest.raises(StaleVersion, match="has been changed meanwhile"):
            await attempt
    assert await state(store) == before


async def test_two_merges_at_once_lose_neither(store: Store) -> None:
    await create_group(store, {"name": "staff"}, **ANA)
    changes: list[dict[str, Any]] = [{"exempt": True}, {"mode": "monitor"}, {"description": "us"}, {"block": ["ai"]}]
    await asyncio.gather(
        *(update_group(store, "staff", lambda now, some=some: {**now, **some}, **ANA) for some in changes)
    )
    async with store.read() as conn:
        row = await groups.get(conn, "staff")
    assert (row.exempt, row.mode, row.description, row.block, row.version) == (True, "monitor", "us", ("ai",), 5)


async def test_what_the_file_made_only_the_file_changes(store: Store) -> None:
    file = a_file("1", a_list("house"), a_group("staff", "10.0.0.0/8"), source="/etc/moatdns/moatdns.yaml")
    async with store.change("config file") as change:
        await provision(change, file)
    before = await state(store)
    for section, attempt in (
        ("lists", update_list(store, "house", lambda now: now, actor="ana")),
        ("lists", delete_list(store, "house", actor="ana")),
        ("lists", write_rules(store, "house", block=["a.example"], actor="ana")),
        ("lists", write_rules(store, "house", removes=True, block=["a.example"], actor="ana")),
        ("groups", update_group(store, "staff", lambda now: now, **ANA)),
        ("groups", delete_group(store, "staff", actor="ana")),
    ):
        with pytest.raises(OwnedByFile, match=f"edit policy.{section} in /etc/moatdns/moatdns.yaml"):
            await attempt
    assert await state(store) == before
    await create_group(store, {"name": "mine", "block": ["house"]}, **ANA)  # but naming it is free


async def test_what_a_merge_raises_changes_nothing(store: Store) -> None:
    def refuse(now: dict[str, Any]) -> dict[str, Any]:
        raise Invalid([("/patch", f"{now['name']} may not")])

    assert await refused(store, update_group(store, "default", refuse, **ANA)) == {"/patch": "default may not"}
