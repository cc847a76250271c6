"""Deeds: rows of the audit trail, with the persons behind them, and who approved what needed another's approval."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.editing.errors import Invalid
from admin_api.store import audit_texts, tokens
from admin_api.store.commitments import opened
from admin_api.store.tables import audit

MOST_DEEDS: Final = 200_000
"""Rows that are looked at; a period with more is refused."""

MOST_STANDING: Final = 5_000
"""Rows of before a period that are looked at, for when what stands then began."""

_FETCHING: Final = ("refresh", "ask for refresh", "lose copy")
_KINDS: Final = ("groups/", "lists/", "local/", "pauses/", "tokens/", "change-requests/")
_ALONE: Final = ("policy", "catalogue", "config", "audit", "store", "restored")
_MACHINE = "token:"  # actors that begin with it are no persons


@dataclass(frozen=True, slots=True)
class Deed:
    """A row of the audit trail. `by` and `approved_by` name tokens with their owners."""

    row: int
    at: datetime
    action: str
    kind: str
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    by: str
    approved_by: str | None
    note: str | None  # of who approved
    request_id: str | None

    @property
    def source(self) -> str:
        """Where it stands."""
        return f"audit row {self.row}"


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    at: datetime
    actor: str
    action: str
    object: str
    before: str | None
    after: str | None
    request_id: str | None


class Owners:
    """Owners of tokens by name, over time: a name may be given anew."""

    def __init__(self, made: Sequence[tuple[datetime, str, str]]) -> None:
        """`made`: when, which name, and for whom, the oldest first."""
        self._made: dict[str, list[tuple[datetime, str]]] = {}
        for at, name, owner in made:
            self._made.setdefault(name, []).append((at, owner))

    def told(self, actor: str, at: datetime) -> str:
        """An actor, with the owner of the token that it was then."""
        if not actor.startswith(_MACHINE):
            return actor
        owner = None
        for made_at, whose in self._made.get(actor.removeprefix(_MACHINE), ()):
            if owner is None or made_at <= at:
                owner = whose
        return f"{owner} ({actor})" if owner else actor


async def owners(conn: AsyncConnection) -> Owners:
    """Owners as the trail knows them, and the tokens that are there."""
    c = audit.c
    query = select(c.at, c.object, c.after).where(c.action == "create", c.object.startswith("tokens/")).order_by(c.id)
    made = []
    for row in await conn.execute(query):
        owner = json.loads(row.after or "{}").get("owner")
        if isinstance(owner, str):
            made.append((row.at, row.object.removeprefix("tokens/"), owner))
    made += [(row.created_at, row.name, row.owner) for row in await tokens.all_tokens(conn)]
    return Owners(sorted(made))


async def deeds_since(conn: AsyncConnection, start: datetime, of: Owners, *, most: int = MOST_DEEDS) -> list[Deed]:
    """All from a time on, the oldest first. Raises Invalid for more than `most`."""
    c = audit.c
    wanted = or_(c.object.in_(_ALONE), *(c.object.startswith(kind) for kind in (*_KINDS, "policy/revisions/")))
    query = select(*_columns()).where(c.at >= start, wanted).order_by(c.id).limit(most + 1)
    rows = await _rows(conn, query)
    if len(rows) > most:
        why = f"since then the audit trail has more than {most:,} rows about policy: begin later"
        raise Invalid([("/from", why)])
    return await asyncio.to_thread(_told, rows, of)


async def standing_deeds(conn: AsyncConnection, start: datetime, of: Owners) -> list[Deed]:
    """Rows of groups, lists, local names and the config's policy before a time, the newest MOST_STANDING of them.

    The oldest comes first.
    """
    c = audit.c
    wanted = or_(*(c.object.startswith(kind) for kind in ("groups/", "lists/", "local/")), c.object == "policy")
    query = select(*_columns()).where(wanted, c.at < start, c.action.not_in(_FETCHING)).order_by(c.id.desc())
    rows = await _rows(conn, query.limit(MOST_STANDING))
    return await asyncio.to_thread(_told, rows[::-1], of)


async def pause_deeds(conn: AsyncConnection, start: datetime, of: Owners, *, most: int = MOST_DEEDS) -> list[Deed]:
    """Rows of pauses before a time, the newest of them: one that was made then may have lasted beyond it."""
    c = audit.c
    query = select(*_columns()).where(c.object.startswith("pauses/"), c.at < start).order_by(c.id.desc())
    rows = await _rows(conn, query.limit(most))
    return await asyncio.to_thread(_told, rows[::-1], of)


async def first_row_at(conn: AsyncConnection) -> datetime | None:
    """When the trail begins."""
    at: datetime | None = await conn.scalar(select(audit.c.at).order_by(audit.c.id).limit(1))
    return at


async def _rows(conn: AsyncConnection, query: Select[Any]) -> list[_Row]:
    """Rows of a query, with their personal texts in place."""
    rows = (await conn.execute(query)).all()
    shown = await audit_texts.shown_in(conn, rows)
    found = []
    for row in rows:
        texts = shown.get(row.id, {})
        states = {"before": opened(row.before, texts), "after": opened(row.after, texts)}
        found.append(_Row(**{**row._mapping, **states}))
    return found


def _columns() -> list[Any]:
    return [audit.c[name] for name in ("id", "at", "actor", "action", "object", "before", "after", "request_id")]


def _told(rows: Sequence[_Row], of: Owners) -> list[Deed]:
    approvals = {
        row.request_id: (row, json.loads(row.after or "{}"))
        for row in rows
        if row.request_id and row.action == "approve" and row.object.startswith("change-requests/")
    }
    return [_deed(row, approvals, of) for row in rows]


def _deed(row: _Row, approvals: Mapping[str, tuple[_Row, Mapping[str, Any]]], of: Owners) -> Deed:
    kind, _, name = row.object.partition("/")
    before, after = (None if text is None else json.loads(text) for text in (row.before, row.after))
    by, approved_by, note = of.told(row.actor, row.at), None, None
    approval = approvals.get(row.request_id or "")
    if approval is not None:
        approved_by, note = by, approval[1].get("note")
        by = of.told(str(approval[1].get("requested_by", row.actor)), row.at)
    return Deed(row.id, row.at, row.action, kind, name, before, after, by, approved_by, note, row.request_id)
