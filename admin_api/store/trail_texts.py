"""Whether the texts beside the audit trail are those that its rows commit to, or were struck by an erasure.

A text that is gone without a row ``strike`` that names its row is a fault, and so is one that no row commits to.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.audit_texts import STRIKE, TextRow, texts_of
from admin_api.store.columns import iso_text
from admin_api.store.commitments import commitment_of, commitments_in
from admin_api.store.tables import audit, audit_texts

_MOST_TOLD: Final = 20  # rows without a row of the trail

Strikes = Mapping[str, "Strike"]
"""Erasures by id, as rows of the trail tell of them."""


@dataclass(frozen=True, slots=True)
class Strike:
    """An erasure: the row that tells of it, and the rows whose texts it struck."""

    row: int
    at: str
    rows: frozenset[int]

    def told(self, erasure: str) -> str:
        """The sentence about it."""
        rows = f"{len(self.rows)} row{'s' if len(self.rows) != 1 else ''}"
        return f"personal texts of {rows} were erased at {self.at}, as row {self.row} tells (erasure {erasure})"


async def strikes_in(conn: AsyncConnection, holds: Callable[[Row[Any]], Awaitable[bool]]) -> Strikes:
    """All erasures whose rows hold."""
    found: dict[str, Strike] = {}
    told = select(audit).where(audit.c.object == STRIKE[1], audit.c.action == STRIKE[0]).order_by(audit.c.id)
    for row in (await conn.execute(told)).all():
        if row.after is None or not await holds(row):
            continue
        facts = json.loads(row.after)
        erasure, rows = str(facts["erasure"]), frozenset(map(int, facts["rows"]))
        known = found.get(erasure)
        found[erasure] = Strike(row.id, iso_text(row.at), rows if known is None else known.rows | rows)
    return found


async def wrong_texts(conn: AsyncConnection, rows: Sequence[Row[Any]], strikes: Strikes) -> list[str]:
    """Faults of the texts of rows (of the trail, one behind the other), one sentence each."""
    found = []
    texts = await texts_of(conn, (row.id for row in rows))
    for row in rows:
        wanted = set(commitments_in(row.before, row.after))
        there = {one.commitment: one for one in texts.get(row.id, ())}
        where = f"row {row.id} ({row.action} {row.object})"
        if wanted - there.keys():
            found.append(f"{where} lacks a personal text, and no erasure struck it")
        if there.keys() - wanted:
            found.append(f"{where} has a personal text that it does not commit to: it was changed, or added")
        found += [f"{where}: {why}" for one in there.values() if (why := _wrong_with(one, strikes)) is not None]
    return found


async def stray_texts(conn: AsyncConnection) -> list[str]:
    """Faults of texts whose rows are not there."""
    known = select(audit.c.id).where(audit.c.id == audit_texts.c.row).exists()
    query = select(audit_texts.c.row).where(~known).distinct().order_by(audit_texts.c.row).limit(_MOST_TOLD)
    return [f"there is a personal text of row {row}, which is missing" for row in (await conn.scalars(query)).all()]


def _wrong_with(one: TextRow, strikes: Strikes) -> str | None:
    if one.text is None or one.salt is None:
        strike = strikes.get(one.erasure or "")
        if one.text is not None or one.salt is not None:
            return "of a personal text and its salt one is missing"
        if strike is None or one.row not in strike.rows:
            return "a personal text is gone, and no erasure that the trail tells of struck it"
        return None
    try:
        is_its = commitment_of(one.salt, one.text) == one.commitment
    except ValueError:
        is_its = False
    return None if is_its else "a personal text was changed: it does not open its commitment"
