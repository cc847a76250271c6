"""What is tried on a copy of the policy's tables keeps no writer waiting, and leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from admin_api.policy_file.shadow import cover, shadowed
from admin_api.store import groups, lists, local_names, rules
from admin_api.store.errors import StoreAway
from admin_api.store.policy import read_policy
from admin_api.store.store import Store
from admin_api.store.tables import rules as table
from tests.unit.admin_api.states import group_state
from tests.unit.admin_api.store.conftest import OpenStore, make_list
from tests.unit.fair_time import FairTime


async def state_of(store: Store) -> list[object]:
    async with store.read() as conn:
        policy = await read_policy(conn)
        texts = sorted(row.rule for row in await conn.execute(select(table.c.rule)))
        return [policy.lists, policy.groups, texts, policy.local]


@pytest.mark.slow
async def test_what_is_tried_is_seen_by_who_tries_alone(open_store: OpenStore) -> None:
    store = await open_store(connections=2)  # so that each connection is used again and again
    await make_list(store, "house", block=["one.example", "two.example"])
    await make_list(store, "other", block=["three.example"])
    async with store.change("tests") as change:
        await groups.create(change, group_state("staff", networks=["10.0.0.0/8"]))
        for name in ("a.example", "b.example"):
            await local_names.put(change, name, ("10.0.0.1",))
    before = await state_of(store)
    for _ in range(4):
        async with shadowed(store, "tests") as change:
            conn = change.connection
            await rules.stream(conn, (await lists.get(conn, "house")).id).__anext__()
            await cover(conn, ["house"])
            row = await lists.get(conn, "house")
            await rules.remove(change, row, block=["one.example"])
            await rules.add(change, row, block=["new.example"])
            made = await lists.create(change, name="made", kind="own")
            await groups.release(change, await groups.get(conn, "staff"))
            await groups.create(change, group_state("law", networks=["10.0.0.0/8"]))
            await local_names.put(change, "a.example", ("10.0.0.2",))
            await local_names.delete(change, "b.example")
            assert [(one.name, one.given) for one in await local_names.all_names(conn)] == [
                ("a.example", ("10.0.0.2",))
            ]
            assert (await lists.get(conn, "house")).rules == 2
            assert made.id not in {row.id for row in before[0]}  # type: ignore[attr-defined]
            await lists.delete(change, await lists.get(conn, "other"))
            assert [one.name for one in await lists.all_lists(conn)] == ["house", "made"]
            # Meanwhile a writer changes the very same rows, and does not wait.
            async with asyncio.timeout(5), store.change("tests") as writing:
                real = await lists.get(writing.connection, "house")
                await rules.add(writing, real, block=["meanwhile.example"])
                await rules.remove(writing, real, block=["meanwhile.example"])
                staff = await groups.get(writing.connection, "staff")
                await groups.update(writing, staff, description=staff.description)
            assert [one.name for one in await lists.all_lists(conn)] == ["house", "made"]
        after = await state_of(store)
        assert after[2] == before[2]
        assert [row.name for row in after[0]] == ["house", "other"]  # type: ignore[attr-defined]
        assert [(row.name, row.networks) for row in after[1]] == [  # type: ignore[attr-defined]
            ("default", ()),
            ("staff", ("10.0.0.0/8",)),
        ]


async def test_lists_that_go_take_their_copied_rules_along(store: Store) -> None:
    await make_list(store, "house", block=["one.example"])
    async with shadowed(store, "tests") as change:
        await cover(change.connection, ["house"])
        await lists.delete(change, await lists.get(change.connection, "house"))
        assert (await change.connection.execute(select(table.c.rule))).all() == []
    assert (await state_of(store))[2] == ["one.example"]


@pytest.mark.slow
async def test_whoever_waits_for_another_writer_hears_of_it_within_seconds(open_store: OpenStore) -> None:
    store = await open_store(patience_seconds=0.5)
    subjects = asyncio.Lock()

    async def one_more() -> None:
        with pytest.raises(StoreAway, match="busy with other changes"):
            async with store.turn(subjects, "tests") as since, store.change("tests", since=since):
                pass

    async with store.change("tests"), FairTime() as took:
        await asyncio.gather(*(one_more() for _ in range(5)))
    assert took.seconds < 2, "the wait for both turns counts as one"
    async with store.change("tests"):
        pass
