"""A person taken out of the store on both engines: what names them is gone, rows and totals stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from admin_api.people.obstacles import StandsInTheWay, obstacles, refuse_held
from admin_api.people.person import Person, person_of
from admin_api.people.reach import out_of_reach
from admin_api.people.rows import TakenOut, take_out
from admin_api.statistics import rollups
from admin_api.store import audit, change_requests, documents, exemptions, leases, looks, pauses, trail, webhooks
from admin_api.store.change_requests import Asking, ChangeRequestRow, Finding, Sent
from admin_api.store.exemptions import ExemptionRow, NewExemption
from admin_api.store.lease_row import LeaseRow
from admin_api.store.looks import GrantedLook
from admin_api.store.store import Store
from admin_api.store.tables import (
    metadata,
    stats_rollup,
)
from resolver.config.settings import ControlSettings
from resolver.telemetry.pseudonyms import SECRETS_FILE, new_period, write_periods

NOW = datetime.now(UTC)
ANA, WRITTEN_OTHERWISE, BEN = "Ana.Schmidt@corp.example", "ana.schmidt@CORP.example", "ben@corp.example"
PERIOD = new_period(NOW.timestamp(), 7)
PSEUDONYM = PERIOD.of("identity", ANA)


def with_secrets(folder: Path) -> Path:
    """A state directory whose pseudonyms can be found."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / SECRETS_FILE
    path.touch(0o600)
    path.write_text(write_periods([PERIOD]))
    return folder


async def person(store: Store, state_dir: Path, identity: str = ANA.lower()) -> Person:
    async with store.read() as conn:
        return await person_of(conn, with_secrets(state_dir), identity)


async def taken_out(store: Store, state_dir: Path, identity: str = ANA.lower()) -> TakenOut:
    who = await person(store, state_dir, identity)
    async with store.change("tests") as change:
        assert await obstacles(change.connection, who) == []
        return await take_out(change, who)


async def leased(store: Store, address: str, identity: str, *, ended: bool = True) -> None:
    row = LeaseRow(address, identity, None, "d" + address, "vpn", NOW, NOW, NOW + timedelta(hours=1))
    async with store.change("vpn") as change:
        await leases.put(change, [row], ["set"], instead_of={})
        if ended:
            await leases.end(change, [row], "ended")


async def exempted(store: Store, identity: str, reason: str, owner: str = "Ben", *, ended: bool = True) -> ExemptionRow:
    new = NewExemption(
        *("identity", (identity,), ("ai",), owner, reason, "T-1", "active", owner),
        *(NOW, NOW + timedelta(days=1), None),
    )
    async with store.change("token:b") as change:
        made = await exemptions.create(change, new, owner=owner)
        if ended:
            return await exemptions.move(change, made, "revoke", owner=owner, note=f"{identity} needs it no more")
        return made


async def asked_for(store: Store, opens: str, *, decided: bool = True) -> ChangeRequestRow:
    sent = Sent("PUT /leases/{address}", {"address": "192.0.2.7"}, {}, {"identity": "x"}, None)
    told: Any = {"action": "create", "object": "leases/192.0.2.7", "before": None, "after": {"group": "open"}}
    async with store.change("token:b") as change:
        row = await change_requests.create(
            change,
            sent,
            Finding((opens,), [told], "e"),
            Asking("token:b", "Ben", "tk"),
            most=10,
            wait_seconds=60,
            token_part=None,
        )
        return await change_requests.decide(change, row, "deny", owner="Cem", note="not now") if decided else row


async def counted(store: Store, dimension: str, key: str, n: int, period: int = rollups.MINUTE, at: int = 0) -> None:
    values = {"period_seconds": period, "at": at, "dimension": dimension, "key": key, "kind": "blocked", "n": n}
    async with store.count() as conn:
        await conn.execute(insert(stats_rollup).values(**values))


async def all_texts(store: Store) -> str:
    """Every value of every table, in lower case."""
    async with store.read() as conn:
        rows = [row for table in metadata.sorted_tables for row in await conn.execute(select(table))]
    return "\n".join(repr(tuple(row)) for row in rows).lower()


async def test_no_row_of_any_table_names_who_is_taken_out(store: Store, tmp_path: Path) -> None:
    for identity in (ANA, WRITTEN_OTHERWISE, BEN):
        await leased(store, "192.0.2.7", identity)
        await exempted(store, identity, f"{identity} travels")
    await exempted(store, BEN, f"with {ANA}.", owner=ANA)
    await asked_for(store, f"a lease to {ANA}, who has an exemption")
    await asked_for(store, f"a lease to {BEN}, who has an exemption")
    async with store.change("tests") as change:
        for name in (ANA, BEN):
            await webhooks.put(change.connection, ["hook"], "exemption.decided", {"subject": {"identity": [name]}})
    for number, key in enumerate((ANA, WRITTEN_OTHERWISE, PSEUDONYM, BEN)):
        await counted(store, "identity", key, 10**number)
    done = await taken_out(store, tmp_path)
    assert (done.lease_history, done.exemptions, done.change_requests, done.messages) == (4, 3, 1, 1)
    assert (done.hits, done.audit_rows > 4) == (111, True)
    texts = await all_texts(store)
    assert "ana.schmidt" not in texts
    assert PSEUDONYM not in texts
    assert BEN in texts


async def test_rows_stay_for_what_was_open_when_and_of_others_all_but_the_name(store: Store, tmp_path: Path) -> None:
    hers = await exempted(store, ANA, "she travels")
    his = await exempted(store, BEN, "he travels", owner=ANA)
    await taken_out(store, tmp_path)
    async with store.read() as conn:
        of_hers, of_his = await exemptions.get(conn, hers.id), await exemptions.get(conn, his.id)
        events = await exemptions.events(conn, hers.id)
        by_owner = await exemptions.page(conn, limit=10, owner="erased")
    assert (of_hers.who, of_hers.reason, of_hers.ticket, of_hers.owner) == (("erased",), "erased", "erased", "Ben")
    assert (of_hers.scope, of_hers.status, of_hers.ended_at) == (("ai",), "revoked", hers.ended_at)
    assert [event.note for event in events] == ["erased", "erased"]
    assert (of_his.who, of_his.owner, of_his.reason) == ((BEN,), "erased", "he travels")
    assert [row.id for row in by_owner] == [his.id]


async def test_counts_are_moved_and_each_total_of_each_period_stays(store: Store, tmp_path: Path) -> None:
    for period in (rollups.MINUTE, rollups.HOUR, rollups.DAY):
        for at in (0, 86_400):
            for number, name in enumerate((ANA, PSEUDONYM, BEN, "erased", f"{ANA}.x"), 1):
                await counted(store, "identity", name, number, period, at)
                await counted(store, "identity/vendor", f"{name}/openai", number, period, at)
                await counted(store, "identity/vendor", f"{name}/", number, period, at)
                await counted(store, "exemption/identity", f"ex-1/{name}", number, period, at)
            await counted(store, "client", ANA, 7, period, at)  # of another dimension: an address, however it looks

    async def sums() -> list[tuple[Any, ...]]:
        c = stats_rollup.c
        by = (c.period_seconds, c.at, c.dimension, c.kind)
        async with store.read() as conn:
            return [tuple(row) for row in await conn.execute(select(*by, func.sum(c.n)).group_by(*by).order_by(*by))]

    async with store.count() as conn:
        await documents.put(conn, "stats_rolled", {"hours": 2 * 86_400, "days": 2 * 86_400})
    before = await sums()
    assert (await taken_out(store, tmp_path)).hits == 6  # a minute, an hour and a day have the same hits
    assert await sums() == before
    c = stats_rollup.c
    async with store.read() as conn:
        here = (c.period_seconds == rollups.HOUR) & (c.at == 86_400)
        rows = {(row.dimension, row.key): row.n for row in await conn.execute(select(stats_rollup).where(here))}
    assert rows["identity", "erased"] == rows["exemption/identity", "ex-1/erased"] == 1 + 2 + 4
    assert rows["identity/vendor", "erased/openai"] == rows["identity/vendor", "erased/"] == 7
    assert rows["identity", f"{ANA}.x"] == 5
    assert rows["client", ANA] == 7
    assert ("identity", PSEUDONYM) not in rows


async def test_the_trail_verifies_and_a_second_time_does_nothing(store: Store, tmp_path: Path) -> None:
    await exempted(store, ANA, "she travels")
    await leased(store, "192.0.2.7", ANA)
    assert (await taken_out(store, tmp_path)).audit_rows == 2
    async with store.read() as conn:
        found = await trail.look_through(conn, store.audit_key)
        head = await audit.head(conn)
    assert found.findings == []
    assert len(found.erased) == 1
    assert await taken_out(store, tmp_path) == TakenOut(0, 0, 0, 0, 0, 0, 0)
    async with store.read() as conn:
        assert await audit.head(conn) == head


async def test_what_is_in_force_or_waits_is_in_the_way_and_how_it_ends_is_said(store: Store, tmp_path: Path) -> None:
    who = await person(store, tmp_path)
    await leased(store, "192.0.2.7", WRITTEN_OTHERWISE, ended=False)
    await leased(store, "192.0.2.8", BEN, ended=False)
    active = await exempted(store, ANA, "she travels", ended=False)
    await exempted(store, f"{ANA}.x", f"not {BEN}", ended=False)
    waiting = await asked_for(store, f"a lease to {ANA}", decided=False)
    who = await person(store, tmp_path)
    async with store.read() as conn:
        assert await obstacles(conn, who) == [
            "leases of 192.0.2.7 are theirs: end these (moatdns lease end)",
            f"exemption {active.id} is active: revoke it (moatdns exemption revoke)",
            f"change request {waiting.id} waits and names them: deny it (moatdns change deny)",
        ]


async def test_a_legal_hold_is_on_every_spelling_and_every_pseudonym(tmp_path: Path) -> None:
    folder = with_secrets(tmp_path)
    for text in (ANA, WRITTEN_OTHERWISE, f" {ANA.upper()} ", PSEUDONYM):
        with pytest.raises(StandsInTheWay, match="legal hold"):
            refuse_held([BEN, ANA], folder, text)
    refuse_held([ANA], folder, BEN)
    refuse_held([ANA], folder, PERIOD.of("identity", BEN))


async def test_copies_that_are_not_reached_are_told_one_by_one(store: Store, tmp_path: Path) -> None:
    await exempted(store, BEN, f"with {ANA}.", ended=False)
    async with store.change("tests") as change:
        pause = await pauses.create(change, group=None, reason=f"{ANA} shows it", expires_at=NOW + timedelta(hours=1))
    async with store.change("token:ana.schmidt@corp.example") as change:
        change.record("update", "groups/x", None, {"client_names": [f"proved:{ANA.lower()}"]})
    folder = with_secrets(tmp_path / "files")
    (folder / "before-upgrade-0009-moatdns.sqlite").touch()
    settings = ControlSettings(str(folder), webhooks=({"url": "http://hook.example"},))
    who = await person(store, tmp_path)
    async with store.read() as conn:
        told = await out_of_reach(conn, who, settings, shared=True)
        (row,) = await audit.page(conn, limit=1)
    assert [text.partition(":")[0] for text in told] == [
        "backups made until now",
        "older copies in the state directory, which are yours to delete",
        "what the 1 webhooks were sent",
        "the database's own files, logs, copies and replicas, until VACUUM FULL and their time is over",
        "running pauses whose reason names them",
        "exemptions for others that name them",
        "audit rows that have the name in the chain itself, and the policy's revisions of then",
    ]
    assert told[-1].endswith(f": {row.id}")
    assert told[4] == f"running pauses whose reason names them: erase again when these have ended: {pause.id}"
    async with store.read() as conn:
        nobody = await person_of(conn, folder, "nobody@corp.example")
        assert len(await out_of_reach(conn, nobody, ControlSettings(str(tmp_path)), shared=False)) == 1


async def test_looks_that_were_agreed_to_and_what_was_noted_of_looks_go_with_whom_they_are_at(
    store: Store, tmp_path: Path
) -> None:
    until = (NOW + timedelta(hours=1)).isoformat()
    at = [(WRITTEN_OTHERWISE, "ticket"), (PSEUDONYM, "ticket"), (BEN, f"{ANA} told us"), (BEN, f"see {PSEUDONYM}")]
    async with store.change("tests") as change:
        for identity, reason in (*at, (BEN, "ticket")):
            await looks.grant(change, GrantedLook("eve", "GET /queries", None, identity, reason, until))
            change.record("look", "people", None, {"operation": "GET /queries", "identity": identity, "reason": reason})
    found = await taken_out(store, tmp_path)
    assert (found.looks, found.audit_rows) == (4, 8)
    async with store.read() as conn:
        assert [(one.identity, one.reason) for one in await looks.all_grants(conn)] == [(BEN, "ticket")]
        rows = await audit.page(conn, limit=50)
        left = str([row.plain() for row in rows]).lower()
    assert ANA.lower() not in left
    assert PSEUDONYM not in left
    assert BEN in left


async def test_a_look_that_is_over_is_forgotten_within_the_hour(store: Store) -> None:
    ended = (NOW - timedelta(seconds=1)).isoformat()
    async with store.change("tests") as change:
        await looks.grant(
            change, GrantedLook("eve", "GET /queries", None, ANA, "x", (NOW + timedelta(hours=1)).isoformat())
        )
        await looks.grant(change, GrantedLook("eve", "GET /queries", None, BEN, "x", ended))
    async with store.count() as conn:
        assert await looks.forget_ended(conn, NOW, 500) == 1
        assert await looks.identities(conn) == {ANA}
        assert await looks.forget_ended(conn, NOW, 500) == 0
