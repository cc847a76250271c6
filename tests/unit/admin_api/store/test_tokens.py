"""Tokens: shown once, kept as a digest, worth nothing once they are over or revoked."""

from __future__ import annotations

import json
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from admin_api.editing.errors import Invalid
from admin_api.editing.tokens import create_token, revoke_token
from admin_api.store import audit, tokens
from admin_api.store.errors import Duplicate, NotFound, TooMany
from admin_api.store.roles import FIRST_ROLES, ROLES, may
from admin_api.store.store import Store
from admin_api.store.tables import tokens as table

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
BODY = {"name": "ops", "owner": "Ana", "role": "operator"}


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file()]


async def who(store: Store, text: str, now: datetime = NOW) -> str | None:
    async with store.read() as conn:
        found = await tokens.authenticate(conn, text, now)
    return None if found is None else found.name


async def test_a_token_is_known_by_its_whole_text(store: Store) -> None:
    made = await create_token(store, BODY, giver=FIRST_ROLES, actor="ana")
    assert re.fullmatch(r"moat_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", made.text)
    assert await who(store, made.text) == "ops"
    other = made.text[:-1] + ("A" if made.text[-1] != "A" else "B")
    unknown = made.text.replace(made.row.id, "00000000")
    for wrong in (other, unknown, made.text[:-1], made.text + "A", "", "moat_", "ä" * 57, "half \ud800", made.row.id):
        assert await who(store, wrong) is None


async def test_neither_the_store_nor_the_trail_holds_the_secret(store: Store) -> None:
    made = await create_token(
        store, {**BODY, "expires_at": NOW.isoformat()}, giver=FIRST_ROLES, actor="ana", now=NOW - timedelta(1)
    )
    await revoke_token(store, "ops", actor="ben")
    await create_token(store, BODY, giver=FIRST_ROLES, actor="ana")
    async with store.read() as conn:
        rows = [dict(row._mapping) for row in await conn.execute(select(table))]
        trail = await audit.page(conn, limit=10)
    assert made.text.split("_", 2)[2] not in json.dumps(rows, default=str) + repr(trail)
    assert [(row.actor, row.action, row.object) for row in reversed(trail)] == [
        ("ana", "create", "tokens/ops"),
        ("ben", "revoke", "tokens/ops"),
        ("ana", "create", "tokens/ops"),
    ]
    assert trail[-1].after == {
        "id": made.row.id,
        "name": "ops",
        "owner": "Ana",
        "roles": ["operator"],
        "expires_at": NOW.isoformat(),
    }


async def test_a_token_ends_at_its_time(store: Store) -> None:
    body = {**BODY, "expires_at": NOW + timedelta(hours=1)}
    made = await create_token(store, body, giver=FIRST_ROLES, actor="ana", now=NOW)
    assert await who(store, made.text, NOW + timedelta(minutes=59)) == "ops"
    assert await who(store, made.text, NOW + timedelta(hours=1)) is None


async def test_a_revoked_token_is_worth_nothing(store: Store) -> None:
    made = await create_token(store, BODY, giver=FIRST_ROLES, actor="ana")
    await revoke_token(store, "ops", actor="ana")
    assert await who(store, made.text) is None
    with pytest.raises(NotFound, match="token 'ops'"):
        await revoke_token(store, "ops", actor="ana")


async def test_names_of_tokens_are_unique(store: Store) -> None:
    await create_token(store, BODY, giver=FIRST_ROLES, actor="ana")
    with pytest.raises(Duplicate, match="token 'ops'"):
        await create_token(store, BODY, giver=FIRST_ROLES, actor="ana")


async def test_every_mistake_of_a_token_is_told_at_its_place(store: Store) -> None:
    with pytest.raises(Invalid) as raised:
        await create_token(
            store, {"name": "Ops!", "owner": "", "role": "root", "more": 1}, giver=FIRST_ROLES, actor="ana"
        )
    assert {pointer for pointer, _ in raised.value.errors} == {"/name", "/owner", "/role", "/more"}
    for expires in ("2020-01-01T00:00:00Z", "tomorrow", "2090-01-01T00:00:00"):
        with pytest.raises(Invalid) as raised:
            await create_token(store, {**BODY, "expires_at": expires}, giver=FIRST_ROLES, actor="ana")
        assert [pointer for pointer, _ in raised.value.errors] == ["/expires_at"]
    with pytest.raises(Invalid, match="remove NUL"):
        await create_token(store, {**BODY, "owner": "\0"}, giver=FIRST_ROLES, actor="ana")


async def test_tokens_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 2)
    for number in range(2):
        await create_token(store, {**BODY, "name": f"t{number}"}, giver=FIRST_ROLES, actor="ana")
    with pytest.raises(TooMany, match="there are 2 tokens"):
        await create_token(store, {**BODY, "name": "t2"}, giver=FIRST_ROLES, actor="ana")


async def test_last_use_is_noted_at_most_once_a_minute(store: Store) -> None:
    row = (await create_token(store, BODY, giver=FIRST_ROLES, actor="ana")).row
    assert row.last_used_at is None
    noted = []
    for seconds in (0, 30, 59, 60, 61):
        now = NOW + timedelta(seconds=seconds)
        if tokens.needs_touch(row, now):
            await tokens.touch(store, row, now)
        async with store.read() as conn:
            row = await tokens.get(conn, "ops")
        assert row.last_used_at
        noted.append((row.last_used_at - NOW).total_seconds())
    assert noted == [0, 0, 0, 60, 60]


async def test_tokens_are_listed_by_name(store: Store) -> None:
    for name in ("b", "a", "c"):
        await create_token(store, {**BODY, "name": name}, giver=FIRST_ROLES, actor="ana")
    async with store.read() as conn:
        assert [row.name for row in await tokens.page(conn, limit=2)] == ["a", "b"]
        assert [row.name for row in await tokens.page(conn, limit=2, after="b")] == ["c"]


async def test_an_empty_store_gets_one_admin_token_in_a_file_of_ours(store: Store, tmp_path: Path) -> None:
    path = await tokens.ensure_first_token(store, tmp_path)
    assert path is not None
    assert path == tmp_path / "admin.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text().strip()
    async with store.read() as conn:
        first = await tokens.authenticate(conn, text)
    assert first is not None
    assert (first.name, first.role) == ("first", "admin")
    assert await tokens.ensure_first_token(store, tmp_path) is None
    assert path.read_text().strip() == text
    assert sorted(names(tmp_path)) == ["admin.token"]  # and no half-written one


@pytest.mark.parametrize("content", ["", "\n"])
async def test_an_empty_token_file_is_written_anew(store: Store, tmp_path: Path, content: str) -> None:
    path = await tokens.ensure_first_token(store, tmp_path)
    assert path is not None
    lost = path.read_text().strip()
    path.write_text(content)
    assert await tokens.ensure_first_token(store, tmp_path) == path
    async with store.read() as conn:
        again = await tokens.authenticate(conn, path.read_text().strip())
        assert again is not None
        assert (again.name, again.role) == ("first", "admin")
        assert await tokens.authenticate(conn, lost) is None, "nobody ever had it"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_first_token_that_somebody_uses_stays_where_its_file_is_empty(store: Store, tmp_path: Path) -> None:
    path = await tokens.ensure_first_token(store, tmp_path)
    assert path is not None
    used = path.read_text().strip()
    async with store.read() as conn:
        row = await tokens.authenticate(conn, used)
    assert row is not None
    await tokens.touch(store, row)
    path.write_text("")
    await tokens.ensure_first_token(store, tmp_path)
    async with store.read() as conn:
        other = await tokens.authenticate(conn, path.read_text().strip())
        assert other is not None
        assert (other.name, other.role) == ("first-2", "admin")
        assert await tokens.authenticate(conn, used) is not None


async def test_a_token_file_that_was_taken_away_stays_away(store: Store, tmp_path: Path) -> None:
    path = await tokens.ensure_first_token(store, tmp_path)
    assert path is not None
    path.unlink()
    assert await tokens.ensure_first_token(store, tmp_path) is None
    assert not path.exists()


async def test_a_token_has_a_set_of_roles_each_once_in_one_order(store: Store) -> None:
    many = {"name": "many", "owner": "Ana", "roles": ["investigator", "viewer", "viewer"]}
    made = await create_token(store, many, giver=FIRST_ROLES, actor="ana")
    assert made.row.roles == ("viewer", "investigator")
    async with store.read() as conn:
        assert (await tokens.get(conn, "many")).roles == ("viewer", "investigator")
    single = await create_token(
        store, {"name": "single", "owner": "Ana", "role": "admin"}, giver=FIRST_ROLES, actor="ana"
    )
    assert (single.row.roles, single.row.role) == (("admin",), "admin")


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ({}, "/roles: is missing"),
        ({"roles": []}, "/roles: is missing"),
        ({"roles": ["investigator"]}, "add viewer, operator or admin"),
        ({"role": "investigator"}, "/role: investigator shows persons"),
        ({"roles": ["king"]}, "/roles/0"),
        ({"roles": ["viewer"], "role": "viewer"}, "/role: is given together with roles"),
    ],
)
async def test_a_set_of_roles_that_permits_nothing_is_refused(
    store: Store, roles: dict[str, object], told: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await create_token(store, {"name": "none", "owner": "Ana", **roles}, giver=FIRST_ROLES, actor="ana")
    assert told in "; ".join(f"{pointer}: {why}" for pointer, why in refused.value.errors)


def test_no_role_includes_the_investigator_and_its_rank_stays_within_the_set() -> None:
    assert [role for role in ROLES if may((role,), "investigator")] == ["investigator"]
    assert may(("investigator", "operator"), "viewer")
    assert not may(("investigator",), "viewer")
    assert not may((), "viewer")
    assert may(("lease", "viewer"), "lease")
    assert not may(("firewall", "lease"), "viewer")
