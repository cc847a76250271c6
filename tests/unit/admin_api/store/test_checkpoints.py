"""Old rows of the trail go up to a signed checkpoint, and what is left still verifies."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from admin_api.audit import retention
from admin_api.audit.retention import AuditRetention
from admin_api.signed.files import NotGenuine, verified
from admin_api.signed.keys import load_key
from admin_api.store import audit, audit_texts, change_requests, checkpoints, exemptions, trail
from admin_api.store.change_requests import Asking, Finding, Sent
from admin_api.store.columns import canonical
from admin_api.store.store import Store
from admin_api.store.tables import audit as table
from admin_api.store.tables import audit_texts as beside
from blocklists.feed.minisign import SecretKey
from resolver.errors import MoatdnsError
from tests.unit.admin_api.conftest import SignsHere
from tests.unit.admin_api.states import new_exemption
from tests.unit.doubles import Said, SteadyAccess

DAYS = 30


class SignsNothing(SignsHere):
    """A signer whose key is away."""

    async def sign(self, kind: str, content: Any) -> dict[str, Any]:
        raise MoatdnsError("the signing key cannot be read")


async def fill(store: Store, rows: int) -> None:
    for number in range(rows):
        async with store.change("ana") as change:
            change.record("update", f"lists/{number}", None, {"n": number})


def later(days: float = DAYS + 1) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(days=days)


async def remove(store: Store, state_dir: Path, **more: Any) -> tuple[int, Said]:
    """Remove what is old in a month; gives how many rows, and the log."""
    log = more.pop("log", Said())

    async def sent(_: object) -> int | None:
        return None

    wanted: dict[str, Any] = {"days": DAYS, "trouble": lambda: None, "sent": sent, "clock": later(), **more}
    signing = wanted.pop("signing", SignsHere(state_dir))
    keeper = AuditRetention(SteadyAccess(store), signing, log, **wanted)  # type: ignore[arg-type]
    removed = await keeper.look()
    async with store.read() as conn:
        newest = await checkpoints.newest(conn)
    assert keeper.removed_to == (0 if newest is None else newest.last.row)
    return removed, log


async def ids(store: Store) -> list[int]:
    async with store.read() as conn:
        return list((await conn.scalars(select(table.c.id).order_by(table.c.id))).all())


async def verify(store: Store, heads: list[trail.Pair] | None = None, **more: Any) -> trail.Verified:
    async with store.read() as conn:
        return await trail.look_through(conn, store.audit_key, heads or [], **more)


async def head(store: Store) -> trail.Pair:
    async with store.read() as conn:
        return await audit.head(conn)


async def test_old_rows_go_and_the_rest_verifies_from_the_checkpoint_on(store: Store, tmp_path: Path) -> None:
    async with store.change("ana") as change:
        await exemptions.create(change, new_exemption(), owner="Ana")
    await fill(store, 8)
    early, last = await head(store), await head(store)
    removed, log = await remove(store, tmp_path)
    assert (removed, await ids(store)) == (8, [9, 10])
    async with store.read() as conn:
        assert await conn.scalar(select(func.count()).select_from(beside)) == 0
        (row, _) = await audit.page(conn, limit=9)
    assert (row.action, row.object, row.after["row"]) == ("checkpoint", "audit", 8)
    public = load_key(None, tmp_path).public
    content = verified(json.dumps(row.after["signed"]).encode(), checkpoints.FORMAT, public)
    assert (content["row"], content["mac"], content["store_id"]) == (8, row.after["mac"], store.id)
    (told,) = [facts["signed"] for event, facts in log.lines if event == "rows of the audit trail were removed"]
    assert json.loads(told) == row.after["signed"]
    whole = await verify(store, [early, last, (8, row.after["mac"]), (3, "of a removed row")], signer=public)
    assert (whole.findings, whole.gaps) == ([], [])
    assert whole.removed[0].startswith("rows 1 to 8 were removed when their time was over (the last is of ")
    assert "by the checkpoint in row 10, which SHA256:" in whole.removed[0]
    async with store.read() as conn:
        assert await trail.lost_heads(conn, store.audit_key, [early, last, (3, "x"), (8, row.after["mac"])]) == []
        assert await trail.lost_heads(conn, store.audit_key, [(8, "another")]) == [(8, "another")]
        walk = trail.TrailWalk()
        assert await trail.walk_on(conn, store.audit_key, walk, 10)
    assert walk.findings == []


async def test_nothing_goes_before_its_time_or_without_the_setting(store: Store, tmp_path: Path) -> None:
    await fill(store, 5)
    assert (await remove(store, tmp_path, clock=later(DAYS - 0.1)))[0] == 0
    assert (await remove(store, tmp_path, days=None))[0] == 0
    assert await ids(store) == [1, 2, 3, 4, 5]
    async with store.read() as conn:
        assert await retention.removable(conn, datetime.now(UTC), most=3, sent=None) is not None


async def test_young_rows_stay_and_the_next_checkpoint_takes_the_one_before(store: Store, tmp_path: Path) -> None:
    await fill(store, 6)
    old = datetime.now(UTC) - timedelta(days=40)
    await remove(store, tmp_path)
    await fill(store, 3)
    assert await ids(store) == [6, 7, 8, 9, 10]
    assert (await remove(store, tmp_path, clock=lambda: old))[0] == 0
    assert (await remove(store, tmp_path))[0] == 4
    assert await ids(store) == [10, 11]
    whole = await verify(store)
    assert (whole.findings, len(whole.removed)) == ([], 1)
    await fill(store, 1)
    assert (await head(store))[0] == 12


async def test_checkpoints_are_a_day_apart_and_none_is_made_for_others_alone(store: Store, tmp_path: Path) -> None:
    await fill(store, 4)
    await remove(store, tmp_path)
    assert await ids(store) == [4, 5]
    assert (await remove(store, tmp_path))[0] == 1  # of a month later
    assert await ids(store) == [5, 6]
    assert (await remove(store, tmp_path))[0] == 0
    await fill(store, 4)
    keeper_now = datetime.now(UTC) + timedelta(hours=19)
    assert (await remove(store, tmp_path, days=0, clock=lambda: keeper_now))[0] == 0
    assert (await verify(store)).findings == []


async def test_very_many_rows_go_in_pieces(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_A_CHECKPOINT", 3)
    monkeypatch.setattr(retention, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(retention, "_ROWS_AT_ONCE", 2)
    await fill(store, 11)
    removed, log = await remove(store, tmp_path)
    left = await ids(store)
    assert removed == left[0] - 1 > 9
    assert len(log.lines) > 3
    assert (await verify(store)).findings == []


async def test_a_trail_that_is_not_whole_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    await fill(store, 6)
    async with store.count() as conn:
        await conn.execute(update(table).where(table.c.id == 3).values(actor="mallory"))
    removed, log = await remove(store, tmp_path)
    assert removed == 0
    assert log.lines == [
        (
            "rows of the audit trail stay, though their time is over",
            {"why": "row 3 (update lists/2) was changed, or does not follow row 2"},
        )
    ]
    removed, log = await remove(store, tmp_path, trouble=lambda: "rows are lost")
    assert (removed, log.lines[0][1]) == (0, {"why": "rows are lost"})
    assert len(await ids(store)) == 6


async def test_nothing_goes_that_is_not_signed_for(store: Store, tmp_path: Path) -> None:
    await fill(store, 6)
    removed, log = await remove(store, tmp_path, signing=SignsNothing(tmp_path))
    assert (removed, len(await ids(store))) == (0, 6)
    assert "the checkpoint is not signed" in log.lines[0][1]["why"]


async def test_rows_that_somebody_needs_stay(store: Store, tmp_path: Path) -> None:
    await fill(store, 3)
    async with store.change("token:ops") as change:
        asked = await change_requests.create(
            change,
            Sent("DELETE /groups/{name}", {"name": "lab"}, {}, None, None),
            Finding(("group 'lab' is deleted",), [], "00"),
            Asking("token:ops", "Ana", "t"),
            most=9,
            wait_seconds=3600,
            token_part=None,
        )
    await fill(store, 3)

    async def sent(_: object) -> int | None:
        return 2

    assert (await remove(store, tmp_path, sent=sent))[0] == 2, "a log sink has not got the third"
    assert (await remove(store, tmp_path))[0] == 1, "the fourth is of a change that waits"
    assert (await ids(store))[0] == 4
    async with store.change("token:boss") as change:
        await change_requests.decide(change, asked, "deny", owner="Ben")
    assert (await remove(store, tmp_path))[0] > 3
    assert (await verify(store)).findings == []


async def test_rows_that_name_a_person_whom_a_legal_hold_is_on_stay(store: Store, tmp_path: Path) -> None:
    await fill(store, 2)
    async with store.change("ops") as change:
        await exemptions.create(change, new_exemption(kind="identity", who=("ana.schmidt",)), owner="Ben")
    async with store.change("person:Cem Kaya <https://login.corp.example 7>") as change:
        change.record("update", "lists/x", None, {})
    async with store.change("ops") as change:
        change.record("create", "tokens/t", None, {"owner": "dana.wolf"})
    await fill(store, 2)
    for held, first in ((("DANA.WOLF", "ana.schmidt"), 3), (("nobody", "cem kaya"), 4), (("dana.wolf",), 5)):
        await remove(store, tmp_path, held=held)
        assert (await ids(store))[0] == first
        assert (await verify(store)).findings == []
    await remove(store, tmp_path, held=("nobody", "\u200b"))
    assert (await ids(store))[0] > 5


async def test_an_acknowledged_loss_stays_while_a_head_would_show_it(store: Store, tmp_path: Path) -> None:
    await fill(store, 8)
    lost = await head(store)
    async with store.count() as conn:
        await conn.execute(delete(table).where(table.c.id > 4))
    async with store.change("root") as change:
        assert await trail.acknowledge(change, store.audit_key, [lost], "restored") == [lost]
    await fill(store, 1)
    assert (await remove(store, tmp_path))[0] == 4, "row 5 accounts for the head of row 8"
    assert (await verify(store, [lost])).findings == []
    await fill(store, 3)
    assert (await remove(store, tmp_path))[0] == 5
    assert (await ids(store))[0] == 10
    assert (await verify(store, [lost])).findings == []


@pytest.mark.parametrize("change", ["row", "mac", "at", "signed", "content", "signature", "nothing"])
async def test_a_changed_checkpoint_shows(store: Store, tmp_path: Path, change: str) -> None:
    await fill(store, 6)
    await remove(store, tmp_path)
    async with store.count() as conn:
        after = json.loads(str(await conn.scalar(select(table.c.after).where(table.c.id == 7))))
        match change:
            case "content":
                after["signed"]["content"]["row"] = 4
            case "signature":
                after["signed"]["signature"]["value"] = "AAAA"
            case "signed":
                after["signed"] = None
            case "row":
                after["row"] = 4
            case _:
                after[change] = "00" if change == "mac" else "2020-01-01T00:00:00Z"
        await conn.execute(update(table).where(table.c.id == 7).values(after=canonical(after)))
    found = (await verify(store)).findings
    assert found[0] == "rows 1 to 5 are missing"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("another row", "what is signed is not what the row says"),
        ("changed", "content.row was changed"),
        ("none", "has no signed file"),
        ("another key", "another key has signed it"),
    ],
)
async def test_a_checkpoint_that_is_not_signed_for_shows_whoever_wrote_it(
    store: Store, tmp_path: Path, fault: str, why: str
) -> None:
    await fill(store, 6)

    class SignsWrongly(SignsHere):
        async def sign(self, kind: str, content: Any) -> dict[str, Any]:
            signed = await super().sign(kind, {**content, "row": 1} if fault == "another row" else content)
            if fault == "changed":
                signed["content"]["row"] = 1
            return {} if fault == "none" else signed

    await remove(store, tmp_path, signing=SignsWrongly(tmp_path))
    signer = SecretKey.generate().public if fault == "another key" else None
    found = (await verify(store, signer=signer)).findings
    assert len(found) == 1
    assert why in found[0]
    assert found[0].startswith("row 7 (a checkpoint)")


async def test_rows_that_are_cut_off_before_the_checkpoint_or_put_back_show(store: Store, tmp_path: Path) -> None:
    await fill(store, 6)
    async with store.read() as conn:
        fourth = dict((await conn.execute(select(table).where(table.c.id == 4))).one()._mapping)
    await remove(store, tmp_path)
    await fill(store, 2)
    async with store.count() as conn:
        await conn.execute(delete(table).where(table.c.id == 6))
    assert (await verify(store)).findings[0] == "rows 1 to 6 are missing"
    async with store.count() as conn:
        await conn.execute(insert(table).values(fourth))
    assert (await verify(store)).findings[0] == "rows 1 to 3 are missing"


async def test_a_look_at_all_rows_goes_on_while_rows_are_removed(store: Store, tmp_path: Path) -> None:
    await fill(store, 9)
    walk = trail.TrailWalk()
    async with store.read() as conn:
        assert not await trail.walk_on(conn, store.audit_key, walk, 4)
    await remove(store, tmp_path)
    async with store.read() as conn:
        assert await trail.walk_on(conn, store.audit_key, walk, 4)
    assert (walk.last, walk.findings) == (10, [])


async def test_who_was_erased_and_whose_rows_are_gone_is_no_fault(store: Store, tmp_path: Path) -> None:
    for who in ("10.0.0.1", "10.0.0.2"):
        async with store.change("ana") as change:
            await exemptions.create(change, new_exemption(who=(who,)), owner="Ana")
    await fill(store, 2)
    async with store.change("root") as change:
        await audit_texts.strike(change, "10.0.0.1")
    await fill(store, 1)
    async with store.read() as conn:
        last = await retention.removable(conn, later()(), most=1, sent=None)
    assert last is not None
    assert last.row == 1
    await remove(store, tmp_path)
    assert (await verify(store)).findings == []


async def test_a_signed_checkpoint_of_another_trail_is_refused(store: Store, tmp_path: Path) -> None:
    await fill(store, 3)
    await remove(store, tmp_path)
    async with store.read() as conn:
        newest = await checkpoints.newest(conn)
    assert newest is not None
    assert newest.faults(store.id, None) == []
    assert newest.faults("another", None) == ["row 4 (a checkpoint): what is signed is not what the row says"]
    with pytest.raises(NotGenuine):
        verified(json.dumps(newest.signed).encode(), "moatdns audit head 1", load_key(None, tmp_path).public)
