"""All that the node keeps of one person, as lines of JSON: read piece by piece, bounded, and what was cut is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.people.person import Person, names_in
from admin_api.query_log.reader import QueryLogReader
from admin_api.statistics.persons import counts_of
from admin_api.store import audit, exemptions, leases
from admin_api.store.audit_texts import rows_naming, rows_with_texts_naming
from admin_api.store.columns import iso_text
from admin_api.store.store import Store
from admin_api.store.tables import change_requests, exemption_events
from admin_api.store.tables import exemptions as exemption_table
from admin_api.store.tables import leases as lease_table

MOST_LINES: Final = 10_000
"""Lines of a kind; beyond, the last line says that there are more."""
LOG_SECONDS: Final = 30.0
"""For how long the query log is searched."""

_PAGE = 1000
_BATCH = 500
_REQUEST = (
    *("id", "operation", "path", "query", "opens", "changes", "status", "requested_by", "requested_owner"),
    *("created_at", "decided_by", "decided_owner", "decided_at", "note"),
)

Line = Mapping[str, object]


@dataclass(slots=True)
class Export:
    """One export of a person. `cut` says of each kind that is not whole what is missing, once all lines were read."""

    store: Store
    log: QueryLogReader
    person: Person
    most: int = MOST_LINES
    log_seconds: float = LOG_SECONDS
    clock: Callable[[], float] = time.monotonic
    cut: list[str] = field(default_factory=list, init=False)

    async def lines(self) -> AsyncGenerator[Line]:
        """Every line, each with its `kind`; the first says whose they are, the last what was cut. Raises StoreAway."""
        at = iso_text(datetime.now(UTC))
        person = self.person
        yield {
            "kind": "person",
            "at": at,
            "spellings": sorted(person.spellings),
            "pseudonyms": sorted(person.pseudonyms),
        }
        kinds = {
            "lease": self._leases,
            "lease_event": self._lease_history,
            "exemption": self._exemptions,
            "change_request": self._change_requests,
            "count": self._counts,
            "audit": self._audit,
        }
        for kind, read in kinds.items():
            count = 0
            async with self.store.read() as conn, aclosing(read(conn)) as lines:
                async for line in lines:
                    if count == self.most:
                        self.cut.append(f"{kind}: more than the {self.most} that are told")
                        break
                    count += 1
                    yield {"kind": kind, **line}
        async for line in self._queries():
            yield {"kind": "query", **line}
        yield {"kind": "end", "cut": self.cut}

    async def _leases(self, conn: AsyncConnection) -> AsyncGenerator[Line]:
        theirs = lease_table.c.identity.in_(sorted(self.person.spellings))
        for row in await conn.execute(select(lease_table).where(theirs).limit(self.most + 1)):
            yield _plain(row)

    async def _lease_history(self, conn: AsyncConnection) -> AsyncGenerator[Line]:
        """The newest first."""
        found = []
        for spelling in self.person.spellings:
            found += await leases.history(conn, limit=self.most + 1, identity=spelling)
        for event in sorted(found, key=lambda event: event.id, reverse=True):
            yield _jsonable(asdict(event))

    async def _exemptions(self, conn: AsyncConnection) -> AsyncGenerator[Line]:
        """For them, or that name them; each with its events."""
        names = names_in(self.person)
        for_them = self.person.is_meant_by
        named_events = {row.exemption_id async for row in _each(conn, exemption_events) if names([row.note, row.owner])}
        async for row in _each(conn, exemption_table):
            told = [row.owner, row.reason, row.ticket, row.requested_owner, row.decided_by, row.renewal]
            is_theirs = row.kind == "identity" and any(map(for_them, row.who))
            if is_theirs or row.id in named_events or names(told):
                events = [_jsonable(asdict(event)) for event in await exemptions.events(conn, row.id)]
                subject = {row.kind: list(row.who)}
                yield {**_plain(row, "kind", "who", "owner_form"), "subject": subject, "events": events}

    async def _change_requests(self, conn: AsyncConnection) -> AsyncGenerator[Line]:
        names = names_in(self.person)
        async for row in _each(conn, change_requests):
            line = {name: value for name, value in _plain(row, "body").items() if name in _REQUEST}
            if names(line):
                yield line

    async def _counts(self, conn: AsyncConnection) -> AsyncGenerator[Line]:
        for row in await counts_of(conn, self.person.keys):
            yield asdict(row)

    async def _audit(self, conn: AsyncConnection) -> AsyncGenerator[Line]:
        """Rows that name them, in texts beside the trail or in the chain, the newest first."""
        name = min(self.person.spellings)
        numbers = {*await rows_with_texts_naming(conn, name), *await rows_naming(conn, name, most=self.most + 1)}
        newest = sorted(numbers, reverse=True)[: self.most + 1]
        for first in range(0, len(newest), _BATCH):
            for row in await audit.rows_numbered(conn, newest[first : first + _BATCH]):
                line = row.plain()
                yield {name: line[name] for name in ("id", "at", "actor", "action", "object", "before", "after")}

    async def _queries(self) -> AsyncGenerator[Line]:
        until, count, cursor = self.clock() + self.log_seconds, 0, None
        name, *others = sorted(self.person.keys)
        aliases = {"identity": frozenset(others)}
        while True:
            page = await self.log.page({"identity": name}, None, None, limit=_PAGE, cursor=cursor, aliases=aliases)
            for item in page.items:
                if count == self.most:
                    self.cut.append(f"query: more than the newest {self.most}, which are told")
                    return
                count += 1
                yield item
            cursor = page.next
            if cursor is None:
                return
            if self.clock() >= until:
                to = "" if page.searched_to is None else f", down to {iso_text(page.searched_to)}"
                self.cut.append(f"query: those that {self.log_seconds:g} s of searching found{to}")
                return


async def _each(conn: AsyncConnection, table: Table) -> AsyncIterator[Row[Any]]:
    """Rows of a table, some at a time."""
    key, last = table.c.id, None
    while True:
        query: Select[Any] = select(table).order_by(key.desc()).limit(_BATCH)
        rows = (await conn.execute(query if last is None else query.where(key < last))).all()
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        last = rows[-1].id
        await asyncio.sleep(0)  # others have their turn


def _plain(row: Row[Any], *without: str) -> Line:
    return _jsonable({name: value for name, value in row._mapping.items() if name not in without})


def _jsonable(values: Mapping[str, object]) -> Line:
    return {name: iso_text(value) if isinstance(value, datetime) else value for name, value in values.items()}


def written(line: Line) -> bytes:
    """A line as it goes out."""
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
