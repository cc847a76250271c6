"""Rows of the store in a form that both engines take, so that a backup of PostgreSQL restores into SQLite and back.

A part is lines of JSON: the columns' names, then a row a line; octets are ``{"base64": …}``. All tables are read in one
transaction that sees one state of the store, and written in one. Columns and types are those that the database itself
tells: a backup is of the tables' revision that it was made at, and is restored at that revision before it is migrated.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import BinaryIO, Final

from sqlalchemy import (
    Connection,
    LargeBinary,
    MetaData,
    Table,
    delete,
    func,
    insert,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.backup.errors import DamagedBackup
from admin_api.store.migrating import VERSION_TABLE
from admin_api.store.tables import metadata, store_owner

PREFIX: Final = "store/"
"""Begin of these parts' names: ``store/lists/000001.jsonl``."""

_PART_OCTETS = 4 << 20
_ROWS_AT_ONCE = 1000
_MOST_LINE = 256 << 20  # octets
_NAME = re.compile(r"store/([a-z][a-z0-9_]{0,62})/\d{6}\.jsonl\Z")
NOT_KEPT: Final = frozenset({store_owner.name, VERSION_TABLE})
"""Tables of no backup: the owner is a matter of the moment, and the manifest has the version."""

Plain = str | int | float | bool | None | Mapping[str, str]


async def reflected(conn: AsyncConnection) -> MetaData:
    """Our tables as the database has them."""

    def look(connection: Connection) -> MetaData:
        found = MetaData()
        there = set(inspect(connection).get_table_names())
        found.reflect(connection, only=sorted(there & (metadata.tables.keys() - NOT_KEPT)))
        return found

    return await conn.run_sync(look)


async def parts_of(conn: AsyncConnection, table: Table, counted: dict[str, int]) -> AsyncIterator[tuple[str, bytes]]:
    """Name and content of each part of a table; its rows are added to `counted`."""
    columns = list(table.columns)
    head = _line([column.name for column in columns])
    binary = [isinstance(column.type, LargeBinary) for column in columns]
    lines, octets, number = [head], 0, 0
    ordered = select(table).order_by(*table.primary_key.columns)
    result = await conn.stream(ordered.execution_options(yield_per=_ROWS_AT_ONCE))
    counted[table.name] = 0
    async for rows in result.partitions():
        for row in rows:
            line = _line([_packed(value) if packs else value for value, packs in zip(row, binary, strict=True)])
            lines.append(line)
            octets += len(line)
        counted[table.name] += len(rows)
        if octets >= _PART_OCTETS:
            number += 1
            yield _part_name(table, number), b"".join(lines)
            lines, octets = [head], 0
    if octets or not number:
        yield _part_name(table, number + 1), b"".join(lines)


async def sequences_of(conn: AsyncConnection, found: MetaData) -> dict[str, int]:
    """The highest numbers that rows ever had, by table, where the database counts them."""
    if conn.dialect.name == "sqlite":
        if not await conn.scalar(text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")):
            return {}
        rows = await conn.execute(text("SELECT name, seq FROM sqlite_sequence"))
        return {row.name: int(row.seq) for row in rows if row.name in found.tables}
    counted = {}
    for table, sequence in await _sequences(conn, found):
        last = await conn.scalar(text("SELECT pg_sequence_last_value(CAST(:name AS regclass))"), {"name": sequence})
        if last is not None:
            counted[table.name] = int(last)
    return counted


async def _sequences(conn: AsyncConnection, found: MetaData) -> list[tuple[Table, str]]:
    """The sequences of PostgreSQL that number the rows of our tables."""
    have = []
    for table in found.tables.values():
        for column in table.primary_key.columns:
            named = select(func.pg_get_serial_sequence(f'"{table.name}"', column.name))
            if (sequence := await conn.scalar(named)) is not None:
                have.append((table, str(sequence)))
    return have


async def empty(conn: AsyncConnection, found: MetaData) -> None:
    """Remove the rows that migrations put into new tables."""
    for table in reversed(found.sorted_tables):
        await conn.execute(delete(table))


async def load(conn: AsyncConnection, found: MetaData, name: str, part: BinaryIO) -> int:
    """Write the rows of a part; gives how many. Raises DamagedBackup for what does not fit the tables."""
    match = _NAME.match(name)
    table = found.tables.get(match[1]) if match else None
    if table is None:
        raise DamagedBackup(f"{name}: there is no such table in the revision that the backup is of")
    lines = _lines(name, part)
    names = next(lines, None)
    known = {column.name: isinstance(column.type, LargeBinary) for column in table.columns}
    if names is None or len(set(map(str, names))) != len(names) or not set(map(str, names)) <= known.keys():
        raise DamagedBackup(f"{name}: its columns are not those of table {table.name!r}")
    binary = [known[str(column)] for column in names]
    counted = 0
    rows: list[dict[str, object]] = []
    for values in lines:
        if len(values) != len(names):
            raise DamagedBackup(f"{name}: a row has {len(values)} values instead of {len(names)}")
        unpacked = (_unpacked(name, value) if packs else value for value, packs in zip(values, binary, strict=True))
        rows.append(dict(zip(map(str, names), unpacked, strict=True)))
        if len(rows) == _ROWS_AT_ONCE:
            counted += await _insert(conn, table, name, rows)
            rows = []
    return counted + (await _insert(conn, table, name, rows) if rows else 0)


async def _insert(conn: AsyncConnection, table: Table, name: str, rows: list[dict[str, object]]) -> int:
    try:
        await conn.execute(insert(table), rows)
    except SQLAlchemyError as error:
        if getattr(error, "connection_invalidated", False):
            raise
        raise DamagedBackup(f"{name}: rows do not fit table {table.name!r} ({type(error).__name__})") from error
    return len(rows)


async def set_sequences(conn: AsyncConnection, found: MetaData, sequences: Mapping[str, int]) -> None:
    """Have numbers go on where they were: none comes again."""
    if conn.dialect.name == "sqlite":
        for name, last in sequences.items():
            if name in found.tables:
                values = {"name": name, "last": last}
                set_ = text("UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = :name")
                if not (await conn.execute(set_, values)).rowcount:
                    await conn.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values)
        return
    for table, sequence in await _sequences(conn, found):
        column = next(iter(table.primary_key.columns))
        highest = max(await conn.scalar(select(func.max(column))) or 0, sequences.get(table.name, 0))
        if highest:
            await conn.execute(select(func.setval(literal_column(f"'{sequence}'::regclass"), highest)))


def _part_name(table: Table, number: int) -> str:
    return f"{PREFIX}{table.name}/{number:06d}.jsonl"


def _line(values: list[Plain]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _packed(value: bytes | None) -> Plain:
    return None if value is None else {"base64": base64.b64encode(value).decode()}


def _unpacked(name: str, value: object) -> bytes | None:
    if value is None:
        return None
    try:
        if isinstance(value, dict) and value.keys() == {"base64"}:
            return base64.b64decode(value["base64"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        pass
    raise DamagedBackup(f"{name}: octets of a row cannot be read")


def _lines(name: str, part: BinaryIO) -> Iterator[list[object]]:
    for line in _split(name, part):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DamagedBackup(f"{name}: a row is not JSON") from error
        if not isinstance(values, list):
            raise DamagedBackup(f"{name}: a row is not a list of values")
        yield values


def _split(name: str, part: BinaryIO) -> Iterable[bytes]:
    left = b""
    while piece := part.read(1 << 20):
        *whole, left = (left + piece).split(b"\n")
        yield from whole
        if len(left) > _MOST_LINE:
            raise DamagedBackup(f"{name}: a row is too long")
    if left:
        raise DamagedBackup(f"{name}: the last row is cut off")
