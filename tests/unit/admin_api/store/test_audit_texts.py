"""Personal texts beside the trail: joined for readers, struck for a person, and a changed one shows."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from admin_api.store import audit, audit_texts, exemptions, trail
from admin_api.store.columns import canonical
from admin_api.store.exemptions import ExemptionRow, NewExemption
from admin_api.store.store import Store
from admin_api.store.tables import audit as table
from admin_api.store.tables import audit_texts as beside
from tests.unit.admin_api.store.conftest import SilentLog

MOST = 100


def files_with(octets: bytes, folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if octets in file.read_bytes()]


async def exempt(store: Store, who: str, reason: str = "quarterly figures", owner: str = "Ben") -> ExemptionRow:
    now = datetime.now(UTC)
    new = NewExemption(
        kind="identity",
        who=(who,),
        scope=("ai",),
        owner=owner,
        reason=reason,
        ticket=None,
        status="active",
        decided_by="token:ops",
        starts_at=now,
        expires_at=now + timedelta(hours=1),
        from_approval_seconds=None,
    )
    async with store.change("token:ops") as change:
        return await exemptions.create(change, new, owner="Ben")


async def rows_of(store: Store, **wanted: str) -> list[audit.AuditRow]:
    async with store.read() as conn:
        return await audit.page(conn, limit=MOST, **wanted)


async def verified(store: Store) -> trail.Verified:
    async with store.read() as conn:
        return await trail.look_through(conn, store.audit_key)


async def chained(store: Store) -> str:
    """All that the rows of the trail hold themselves."""
    async with store.read() as conn:
        return "\n".join(str(tuple(row)) for row in await conn.execute(select(table)))


async def strike(store: Store, identity: str) -> audit_texts.Struck:
    async with store.change("token:privacy") as change:
        return await audit_texts.strike(change, identity)


async def test_readers_see_the_texts_and_the_chain_does_not_have_them(store: Store) -> None:
    made = await exempt(store, "ana.schmidt", "for Ana: ünlimited")
    (row,) = await rows_of(store)
    assert (row.before, row.after["subject"]) == (None, {"identity": ["ana.schmidt"]})
    assert (row.after["reason"], row.after["owner"], row.after["id"]) == ("for Ana: ünlimited", "Ben", made.id)
    content = await chained(store)
    assert "ana" not in content.lower()
    assert made.id in content
    assert (await verified(store)).findings == []


async def test_who_has_an_exported_row_can_compute_its_commitments(store: Store) -> None:
    await exempt(store, "ana.schmidt")
    (row,) = await rows_of(store)
    plain = json.loads(json.dumps(row.plain()))
    place, shown = plain["chained"]["after"]["reason"], plain["after"]["reason"]
    salt = bytes.fromhex(plain["chained"]["salts"][place["commitment"]])
    assert len(salt) == 16
    assert hashlib.sha256(salt + json.dumps(shown).encode()).hexdigest() == place["commitment"]
    content = {**plain, "at": row.at, **{name: canonical(plain["chained"][name]) for name in ("after",)}}
    genesis = audit.genesis(store.audit_key, store.id)
    assert audit.mac_of(store.audit_key, genesis, content) == row.mac


async def test_equal_texts_of_two_rows_have_salts_of_their_own(store: Store) -> None:
    await exempt(store, "ana.schmidt")
    await exempt(store, "ana.schmidt")
    async with store.read() as conn:
        rows = list(await conn.execute(select(beside)))
    assert len({row.commitment for row in rows}) == len({row.salt for row in rows}) == len(rows) == 6


async def test_a_struck_person_is_nowhere_and_the_trail_is_whole(store: Store) -> None:
    await exempt(store, "ana.schmidt", "travels")
    await exempt(store, "ben.vogel", "asked by Ana.Schmidt.")
    await exempt(store, "cem.kaya", "ana.schmidt@corp.example does not count, nor ana.schmidt-meier")
    struck = await strike(store, "ANA.SCHMIDT")
    assert (struck.rows, struck.texts) == (2, 4), "all of the row about her, and what names her in the other"
    whole = await verified(store)
    assert whole.findings == []
    newest, kept, second, first = await rows_of(store)
    at = newest.at.isoformat().replace("+00:00", "Z")
    told = f"personal texts of 2 rows were erased at {at}, as row 4 tells (erasure {struck.erasure})"
    assert whole.erased == [told]
    assert (newest.action, newest.object, newest.after["rows"]) == ("strike", "audit", [1, 2])
    assert kept.after["subject"] == {"identity": ["cem.kaya"]}
    assert first.after["reason"].startswith("(erased at 20")
    assert first.after["reason"].endswith(f" by erasure {struck.erasure})")
    assert first.after["subject"]["identity"] == [first.after["owner"]] == [second.after["reason"]]
    assert first.after["scope"] == ["ai"]
    assert (second.after["subject"], second.after["owner"]) == ({"identity": ["ben.vogel"]}, "Ben")
    assert first.chained is not None
    assert first.chained.salts == {}
    async with store.read() as conn:
        left = " ".join(str(tuple(row)) for row in await conn.execute(select(beside).where(beside.c.row < 3)))
    assert "travels" not in left
    assert "ana" not in left


async def test_a_person_of_whom_nothing_is_written_leaves_no_row(store: Store) -> None:
    await exempt(store, "ana.schmidt")
    struck = await strike(store, "nobody")
    assert (struck.rows, struck.texts) == (0, 0)
    assert len(await rows_of(store)) == 1
    with pytest.raises(ValueError, match="nobody's"):
        await strike(store, "\u200b ")


async def test_what_was_struck_once_stays_of_its_erasure(store: Store) -> None:
    await exempt(store, "ana.schmidt", "beside ben.vogel")
    first = await strike(store, "ana.schmidt")
    await exempt(store, "ben.vogel")
    second = await strike(store, "ben.vogel")
    assert (first.texts, second.rows) == (3, 1)
    assert len((await verified(store)).erased) == 2
    (of_second, _, of_first) = [row for row in await rows_of(store) if row.id in (1, 2, 3)]
    assert first.erasure in of_first.after["owner"]
    assert second.erasure in of_second.after["owner"]


async def test_an_erasure_of_very_many_rows_is_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_texts, "_ROWS_OF_A_STRIKE", 2)
    monkeypatch.setattr(audit_texts, "_BATCH", 4)
    monkeypatch.setattr(audit_texts, "_MOST_IDS", 2)
    await exempt(store, "cem.kaya", owner="ana.schmidt")
    for number in range(7):
        await exempt(store, "ana.schmidt" if number % 3 else "ben.vogel")
    struck = await strike(store, "ana.schmidt")
    assert (struck.rows, struck.texts) == (5, 13)
    assert [row.after["rows"] for row in await rows_of(store, action="strike")] == [[7], [4, 6], [1, 3]]
    whole = await verified(store)
    assert whole.findings == []
    assert whole.erased[0].startswith("personal texts of 5 rows")


async def test_no_octet_of_who_was_struck_is_left_in_the_file(tmp_path: Path) -> None:
    store = await Store.open(None, tmp_path, SilentLog())
    for number in range(40):
        async with store.change("ops") as change:
            about = {"subject": {"identity": ["ana.schmidt"]}, "reason": f"ana.schmidt, {number}"}
            change.record("grant", f"exemptions/{number}", None, about)
    async with store.read() as conn:
        assert len((await conn.scalars(select(beside.c.row))).all()) == 80
    await strike(store, "ana.schmidt")
    await store.close()  # and so nothing is left in SQLite's log
    assert files_with(b"ana.schmidt", tmp_path) == []


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"text": '"harmless"'}, "a personal text was changed: it does not open its commitment"),
        ({"salt": "00" * 16}, "a personal text was changed: it does not open its commitment"),
        ({"salt": "no hex"}, "a personal text was changed: it does not open its commitment"),
        ({"salt": None}, "of a personal text and its salt one is missing"),
        ({"text": None}, "of a personal text and its salt one is missing"),
        ({"text": None, "salt": None}, "a personal text is gone, and no erasure that the trail tells of struck it"),
        (
            {"text": None, "salt": None, "erasure": "er-0000000000"},
            "a personal text is gone, and no erasure that the trail tells of struck it",
        ),
    ],
)
async def test_a_changed_text_shows(store: Store, values: dict[str, Any], why: str) -> None:
    made = await exempt(store, "ana.schmidt")
    async with store.count() as conn:
        await conn.execute(update(beside).where(beside.c.text.contains("ana.schmidt")).values(values))
    assert (await verified(store)).findings == [f"row 1 (grant exemptions/{made.id}): {why}"]
    async with store.read() as conn:
        walk = trail.TrailWalk()
        assert await trail.walk_on(conn, store.audit_key, walk, 10)
    assert walk.findings == [f"row 1 (grant exemptions/{made.id}): {why}"]


async def test_an_erasure_covers_its_own_rows_alone(store: Store) -> None:
    await exempt(store, "ana.schmidt")
    made = await exempt(store, "ben.vogel")
    struck = await strike(store, "ana.schmidt")
    forged = {"text": None, "salt": None, "erasure": struck.erasure}
    async with store.count() as conn:
        await conn.execute(update(beside).where(beside.c.row == 2).values(forged))
    assert set((await verified(store)).findings) == {
        f"row 2 (grant exemptions/{made.id}): a personal text is gone, and no erasure that the trail tells of struck it"
    }


async def test_a_text_that_was_removed_or_put_elsewhere_shows(store: Store) -> None:
    made = await exempt(store, "ana.schmidt")
    async with store.count() as conn:
        await conn.execute(delete(beside).where(beside.c.text.contains("ana.schmidt")))
        await conn.execute(update(beside).where(beside.c.text == '"Ben"').values(row=7))
    assert (await verified(store)).findings == [
        f"row 1 (grant exemptions/{made.id}) lacks a personal text, and no erasure struck it",
        "there is a personal text of row 7, which is missing",
    ]


async def test_a_text_that_was_added_shows(store: Store) -> None:
    made = await exempt(store, "ana.schmidt")
    async with store.count() as conn:
        await conn.execute(insert(beside).values(row=1, commitment="ab" * 32, salt="00" * 16, text='"x"'))
    assert (await verified(store)).findings[0] == (
        f"row 1 (grant exemptions/{made.id}) has a personal text that it does not commit to: it was changed, or added"
    )


async def test_a_changed_commitment_shows(store: Store) -> None:
    await exempt(store, "ana.schmidt")
    async with store.count() as conn:
        before = str(await conn.scalar(select(table.c.after)))
        digit = before.index('"commitment":"') + len('"commitment":"')
        other = before[:digit] + ("1" if before[digit] == "0" else "0") + before[digit + 1 :]
        await conn.execute(update(table).values(after=other))
    found = (await verified(store)).findings
    assert [finding.partition(") ")[2].partition(",")[0] for finding in found] == [
        "was changed",
        "lacks a personal text",
        "has a personal text that it does not commit to: it was changed",
    ]


async def test_names_that_nothing_can_strike_are_found(store: Store) -> None:
    async with store.change("person:Ana Schmidt <https://login.corp.example 7>") as change:
        change.record("update", "groups/lab", {"networks": ["10.0.0.0/8"]}, {"networks": []})
    async with store.change("ops") as change:
        change.record("create", "tokens/t", None, {"owner": "ana schmidt"})
        change.record("create", "lists/t", None, {"added": {"block": ["diana schmidt.example"]}})
    await exempt(store, "ana schmidt")
    async with store.read() as conn:
        assert await audit_texts.rows_naming(conn, "Ana Schmidt") == [2, 1]
        assert await audit_texts.rows_naming(conn, "Ana Schmidt", most=1) == [2]
        assert await audit_texts.rows_naming(conn, "100%") == []
