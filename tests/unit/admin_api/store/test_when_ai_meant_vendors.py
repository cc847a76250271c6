"""A store from when `ai` had no resellers in it: what was blocked stays so, and what was open is open, by new names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from admin_api.compiling.layers import read_wanted
from admin_api.store import exemptions, groups, revisions
from admin_api.store.exemptions import NewExemption
from admin_api.store.policy import revision
from admin_api.store.store import Store
from admin_api.subjects.rows import exemption_of
from blocklists.sources import bundled_sources
from resolver.policy.compiler import compile_rules, policy_in_memory
from resolver.policy.groups import parse_client
from resolver.policy.moments import Moment
from resolver.policy.situation import situation_of
from resolver.policy.subjects import Subjects
from resolver.wire.names import key_of, parse_name
from tests.unit.admin_api.states import group_state
from tests.unit.admin_api.store.conftest import OpenStore
from tests.unit.bundled import bundled_catalogue

CLOSED = ["ai", "gateways", "bypass", "lists"]


def exemption(client: str, *scope: str, status: str = "active") -> NewExemption:
    now = datetime.now(UTC)
    facts = {"owner": "Ana", "reason": "a trial", "ticket": None, "decided_by": None, "from_approval_seconds": None}
    times = {"starts_at": now - timedelta(hours=1), "expires_at": now + timedelta(hours=1)}
    return NewExemption(kind="client", who=(client,), scope=scope, status=status, **facts, **times)  # type: ignore[arg-type]


async def make_old(store: Store) -> None:
    """Take from a store what the next version brought."""
    async with store.count() as conn:
        await conn.execute(text("ALTER TABLE groups DROP COLUMN monitor"))
        await conn.execute(text("ALTER TABLE groups DROP COLUMN monitor_until"))
        unsaid = {"unsaid": '"monitor":[],"monitor_until":null,'}
        await conn.execute(text("UPDATE change_requests SET changes = replace(changes, :unsaid, '')"), unsaid)
        await conn.execute(text("UPDATE alembic_version SET version_num = '0008'"))


@pytest.fixture
async def upgraded(open_store: OpenStore) -> Store:
    """A store that was filled when `ai` meant vendors."""
    store = await open_store()
    async with store.change("tests") as change:
        default = await groups.get(change.connection, "default")
        await groups.update(change, default, block=CLOSED)
        for name, network, allow in (("legal", "10.1.0.0/16", ["ai"]), ("labs", "10.2.0.0/16", ["vendors", "ai"])):
            row = await groups.create(change, group_state(name, networks=[network], allow=allow))
            change.record("create", f"groups/{name}", None, row.plain())
        change.touches_policy()
        for number, status in enumerate(exemptions.STATUSES):
            await exemptions.create(change, exemption(f"10.9.0.{number}", "ai", "house", status=status), owner="Ana")
    async with store.change("tests") as change:
        legal = await groups.get(change.connection, "legal")
        row = await groups.update(change, legal, allow=["openai"], description='has "ai" in it')
        change.record("update", "groups/legal", legal.plain(), row.plain())
        row = await groups.update(change, row, allow=["ai"])
        change.record("update", "groups/legal", legal.plain(), row.plain())
        change.touches_policy()
    await make_old(store)
    return await open_store()


async def verdicts(store: Store, client: str) -> Iterator[str]:
    """Of names of a vendor, a reseller and a cloud, for a client, as a worker decides."""
    catalogue = bundled_catalogue()
    now = Moment(time.time(), 1000.0)
    async with store.read() as conn:
        wanted = await read_wanted(conn, catalogue)
        held = [exemption_of(row, now) for row in await exemptions.opened(conn) if row.status == "active"]
    policy = policy_in_memory(compile_rules(bundled_sources(catalogue)), wanted.groups(catalogue))
    view = situation_of(policy, Subjects(held), parse_client(client), now).view
    names = ("chatgpt.com", "openrouter.ai", "bedrock-runtime.eu-west-1.amazonaws.com")
    return (str(policy.decide(view, key_of(parse_name(name))).verdict) for name in names)


@pytest.mark.slow
async def test_what_was_open_is_open_and_nothing_else(upgraded: Store) -> None:
    active = exemptions.STATUSES.index("active")
    assert list(await verdicts(upgraded, f"10.9.0.{active}")) == ["exempt", "block", "block"]
    assert list(await verdicts(upgraded, "10.1.0.1")) == ["allow", "block", "block"]
    assert list(await verdicts(upgraded, "10.3.0.1")) == ["block", "block", "block"]


async def test_groups_exemptions_and_ways_back_say_vendors_and_blocks_stay(upgraded: Store) -> None:
    async with upgraded.read() as conn:
        allowed = {row.name: (row.block, row.allow) for row in await groups.all_groups(conn)}
        assert allowed == {
            "default": (tuple(CLOSED), ()),
            "legal": (None, ("vendors",)),
            "labs": (None, ("vendors",)),
        }
        scopes = [row.scope for row in await exemptions.page(conn, limit=10)]
        assert scopes == [("vendors", "house")] * len(exemptions.STATUSES)
        states = [
            state["allow"]
            async for lines in revisions.since(conn, 1, await revision(conn))
            for line in lines
            for state in line[2:]
            if state is not None
        ]
        assert states == [["vendors"], ["openai"], ["vendors"], ["vendors"], ["vendors"], ["vendors"]]


async def test_a_group_of_that_store_watches_nothing(upgraded: Store) -> None:
    async with upgraded.read() as conn:
        assert {(row.monitor, row.monitor_until) for row in await groups.all_groups(conn)} == {((), None)}
