"""Personal texts of the audit trail, in the table beside it: put there with their rows, joined, and struck.

A row of the trail has commitments (`commitments`); its texts are here until an erasure strikes them. A row ``strike``
of ``audit`` then says which rows lack theirs, so that `moatdns audit verify` tells an erasure from a loss.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable, canonical, iso_text
from admin_api.store.commitments import CommittedText, has_commitments, is_about
from admin_api.store.naming import Naming
from admin_api.store.queries import page_below
from admin_api.store.tables import audit, audit_texts

STRIKE: Final = ("strike", "audit")
"""Action and object of the row that says whose texts were struck. `after`: the erasure's id, and numbers of rows."""

_ROWS_OF_A_STRIKE = 5000
_MOST_IDS = 500  # of a statement
_BATCH = 2000  # texts that are looked at in one go
_KEYS = (audit_texts.c.row, audit_texts.c.commitment)


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text beside the trail. Once it is struck, there is neither text nor salt, but the erasure's id and time."""

    row: int
    commitment: str
    salt: str | None
    text: str | None  # canonical JSON
    erasure: str | None
    erased_at: datetime | None

    @property
    def shown(self) -> str:
        """The text as canonical JSON; of one that was struck, what stands in its place."""
        if self.text is not None:
            return self.text
        at = "?" if self.erased_at is None else iso_text(self.erased_at)
        return canonical(f"(erased at {at} by erasure {self.erasure})")


@dataclass(frozen=True, slots=True)
class Struck:
    """Result of striking: the erasure's id, in how many rows, and how many texts."""

    erasure: str
    rows: int
    texts: int


async def add(conn: AsyncConnection, texts: Sequence[tuple[int, CommittedText]]) -> None:
    """Keep the texts of new rows, by the rows' numbers."""
    if texts:
        values = [
            {"row": row, "commitment": one.commitment, "salt": one.salt, "text": one.text, "erasure": None}
            for row, one in texts
        ]
        await conn.execute(insert(audit_texts), values)


async def texts_of(conn: AsyncConnection, rows: Iterable[int]) -> dict[int, list[TextRow]]:
    """Texts by row, of rows with these numbers."""
    found: dict[int, list[TextRow]] = {}
    numbers = sorted(set(rows))
    for first in range(0, len(numbers), _MOST_IDS):
        some = numbers[first : first + _MOST_IDS]
        c = audit_texts.c
        # Numbers close together are a range, which the primary key answers at once.
        wanted = c.row.between(some[0], some[-1]) if some[-1] - some[0] < 2 * len(some) else c.row.in_(some)
        for row in await conn.execute(select(audit_texts).where(wanted).order_by(*_KEYS)):
            found.setdefault(row.row, []).append(TextRow(**row._mapping))
    return found


async def shown_in(conn: AsyncConnection, rows: Sequence[Row[Any]]) -> dict[int, Mapping[str, str]]:
    """Texts (canonical JSON) for the commitments in rows (with `id`, `before`, `after`), by row and commitment."""
    having = [row.id for row in rows if has_commitments(row.before, row.after)]
    return {
        number: {one.commitment: one.shown for one in texts} for number, texts in (await texts_of(conn, having)).items()
    }


async def strike(change: Change, identity: str) -> Struck:
    """Strike what names a person from the table: neither the text nor its salt is left in it.

    Whom a text names says `Naming`. Of a row that is about the person (`commitments.ABOUT`), all texts go; else those
    that name. What SQLite's log still has is the caller's to clear. Rows from before there were commitments hold their
    texts themselves: see `rows_naming`. Raises ValueError for an identity that shows nothing.
    """
    return await strike_where(change, Naming(identity).is_in)


async def strike_where(change: Change, is_theirs: Callable[[str], bool]) -> Struck:
    """Strike as `strike` does, by a test of a text; it is called in a thread."""
    conn, c = change.connection, audit_texts.c
    erasure, now = f"er-{secrets.token_hex(5)}", datetime.now(UTC)
    named = await _named(conn, is_theirs)
    about, texts = await _rows_about(conn, named), 0
    values = {"text": None, "salt": None, "erasure": erasure, "erased_at": now}
    for first in range(0, len(about), _MOST_IDS):
        whole = update(audit_texts).where(c.row.in_(about[first : first + _MOST_IDS]), c.text.is_not(None))
        texts += (await conn.execute(whole.values(values))).rowcount
    for row in sorted(named.keys() - set(about)):
        some = update(audit_texts).where(c.row == row, c.commitment.in_(named[row]))
        texts += (await conn.execute(some.values(values))).rowcount
    rows = sorted(named)
    for first in range(0, len(rows), _ROWS_OF_A_STRIKE):
        change.record(*STRIKE, None, {"erasure": erasure, "rows": rows[first : first + _ROWS_OF_A_STRIKE]})
    return Struck(erasure, len(rows), texts)


async def rows_naming(conn: AsyncConnection, identity: str, *, most: int = 1000) -> list[int]:
    """Numbers of rows whose chained content names a person, the newest first: nothing can strike it there.

    These are rows from before there were commitments, and those of who decided under that name. Looks at the whole
    trail, for the name as it is written, in any letter case of ASCII. Raises ValueError as `strike` does.
    """
    naming, written, c = Naming(identity), canonical(identity)[1:-1], audit.c
    columns = ((c.actor, bindable(identity)), (c.before, written), (c.after, written))
    holds = or_(*(column.icontains(text, autoescape=True) for column, text in columns))
    found: list[int] = []
    last = None
    while len(found) < most:
        query = page_below(select(c.id, c.actor, c.before, c.after).where(holds), c.id, last, _BATCH)
        some = [tuple(row) for row in await conn.execute(query)]
        found += await asyncio.to_thread(_named_in, some, naming)
        if len(some) < _BATCH:
            break
        last = some[-1][0]
    return found[:most]


async def first_row_naming(conn: AsyncConnection, to: int, namings: Sequence[Naming]) -> int | None:
    """The first row up to one that names any of some persons, itself or by a text beside it."""
    c, last = audit.c, 0
    while namings:
        query = select(c.id, c.actor, c.before, c.after).where(c.id > last, c.id <= to).order_by(c.id).limit(_MOST_IDS)
        rows = [tuple(row) for row in await conn.execute(query)]
        if not rows:
            break
        beside = await texts_of(conn, (row[0] for row in rows))
        whole = [(*row, *(one.text for one in beside.get(row[0], ()))) for row in rows]
        found = [number for each in namings for number in await asyncio.to_thread(_named_in, whole, each)]
        if found:
            return min(found)
        last = rows[-1][0]
    return None


def _named_in(rows: Sequence[tuple[Any, ...]], naming: Naming) -> list[int]:
    """Numbers of rows (id, actor, then JSON: before, after and texts beside) that name somebody."""
    return [
        number
        for number, actor, *states in rows
        if any(naming.is_in(text) for text in (actor.partition(":")[2], actor))
        or any(naming.is_in(text) for state in states if state is not None for text in _texts_of(json.loads(state)))
    ]


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts_of(one)


async def _named(conn: AsyncConnection, is_theirs: Callable[[str], bool]) -> dict[int, set[str]]:
    """Commitments to texts that name somebody, by row."""
    c = audit_texts.c
    found: dict[int, set[str]] = {}
    last = (0, "")
    while True:
        behind = or_(c.row > last[0], and_(c.row == last[0], c.commitment > last[1]))
        query = select(c.row, c.commitment, c.text).where(behind, c.text.is_not(None))
        some = [(one.row, one.commitment, one.text) for one in await conn.execute(query.order_by(*_KEYS).limit(_BATCH))]
        for row, commitment in await asyncio.to_thread(_theirs, some, is_theirs):
            found.setdefault(row, set()).add(commitment)
        if len(some) < _BATCH:
            return found
        last = some[-1][:2]


async def rows_with_texts_naming(conn: AsyncConnection, identity: str) -> list[int]:
    """Numbers of rows with a text beside the trail that names a person. Raises ValueError as `strike` does."""
    return sorted(await _named(conn, Naming(identity).is_in))


def _theirs(some: Sequence[tuple[int, str, str]], is_theirs: Callable[[str], bool]) -> list[tuple[int, str]]:
    return [(row, commitment) for row, commitment, text in some if is_theirs(str(json.loads(text)))]


async def _rows_about(conn: AsyncConnection, named: Mapping[int, set[str]]) -> list[int]:
    """Those rows that are about whom their texts name."""
    c, numbers, found = audit.c, sorted(named), []
    for first in range(0, len(numbers), _MOST_IDS):
        query = select(c.id, c.object, c.before, c.after).where(c.id.in_(numbers[first : first + _MOST_IDS]))
        rows = await conn.execute(query.order_by(c.id))
        found += [row.id for row in rows if is_about(row.object, named[row.id], row.before, row.after)]
    return found
