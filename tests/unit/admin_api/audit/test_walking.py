"""The audit trail is looked at row by row all the time: a row that was changed shows without anybody asking."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from admin_api.audit import walking
from admin_api.audit.walking import PAUSE_SECONDS, TrailWalker
from admin_api.store import tokens
from admin_api.store.store import Store
from admin_api.store.tables import audit
from tests.unit.doubles import Said


async def _actor_of(store: Store, row: int, actor: str) -> None:
    async with store.count() as connection:
        await connection.execute(update(audit).where(audit.c.id == row).values(actor=actor))


async def test_a_changed_row_is_told_and_so_is_that_it_is_right_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "ROWS_A_LOOK", 2)
    store, log, now = await Store.open(None, tmp_path, Said()), Said(), [0.0]
    for name in ("one", "two", "three", "four", "five"):
        async with store.change("ana") as change:
            await tokens.create(change, name=name, owner="Ana", roles=("viewer",))
    walker = TrailWalker(log, lambda: now[0])

    async def walk() -> None:
        """As many looks as the whole trail takes."""
        now[0] += PAUSE_SECONDS
        for _ in range(3):
            await walker.look(store)

    await walk()
    assert walker.trouble is None
    await _actor_of(store, 4, "somebody-else")
    await walker.look(store)  # before its time
    assert walker.trouble is None
    await walk()
    assert walker.trouble is not None
    assert "row 4 (create tokens/four) was changed" in walker.trouble
    await walk()
    assert [event for event, _ in log.lines] == ["the audit trail was changed"]  # once
    await _actor_of(store, 4, "ana")
    await walk()
    assert walker.trouble is None
    await store.close()
