"""Parts of queries that all tables share: rows as dataclasses, pages of a listing, filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, ColumnElement, Select, Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.columns import bindable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row")
Query = TypeVar("Query", bound=Select[Any])

_MOST_ID = 1 << 62  # beyond, no column can hold the number


async def rows_of(conn: AsyncConnection, kind: Callable[..., Row], query: Select[Any]) -> list[Row]:
    """All rows of a query; the fields of `kind` are its columns."""
    return [kind(**row._mapping) for row in await conn.execute(query)]


async def row_of(conn: AsyncConnection, kind: Callable[..., Row], query: Select[Any]) -> Row | None:
    """The first row of a query, or None."""
    row = (await conn.execute(query)).first()
    return None if row is None else kind(**row._mapping)


async def count_of(conn: AsyncConnection, table: Table, *where: ColumnElement[bool]) -> int:
    """The number of rows of a table."""
    return int(await conn.scalar(select(func.count()).select_from(table).where(*where)) or 0)


def columns_of(table: Table, kind: type[DataclassInstance]) -> list[Column[Any]]:
    """The columns that are fields of `kind`."""
    return [table.c[field.name] for field in fields(kind)]


def values_of(row: DataclassInstance) -> dict[str, Any]:
    """The fields of a row, to be written."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def page_behind(query: Query, column: ColumnElement[str], after: str | None, limit: int) -> Query:
    """A page in the order of a column with texts: what is behind `after`."""
    query = query.order_by(column).limit(limit)
    return query if after is None else query.where(column > bindable(after))


def page_below(query: Query, column: ColumnElement[int], before: int | None, limit: int) -> Query:
    """A page from the highest number on: what is below `before`."""
    query = query.order_by(column.desc()).limit(limit)
    return query if before is None else query.where(column < min(before, _MOST_ID))


def page_of_newest(query: Query, table: Table, before: tuple[datetime, str] | None, limit: int) -> Query:
    """A page of what has a time and an id, the newest first: what was made before that."""
    c = table.c
    query = query.order_by(c.created_at.desc(), c.id.desc()).limit(limit)
    if before is None:
        return query
    at, number = before
    return query.where((c.created_at < at) | ((c.created_at == at) & (c.id < bindable(number))))


def narrowed(query: Query, *wanted: tuple[ColumnElement[Any], str | None]) -> Query:
    """Only the rows whose columns have the texts; None is any."""
    return query.where(*(column == bindable(text) for column, text in wanted if text is not None))


def containing(query: Query, text: str | None, *columns: ColumnElement[str]) -> Query:
    """Only the rows with a text in one of the columns (any case); None is any."""
    if text is None:
        return query
    return query.where(or_(*(column.icontains(bindable(text), autoescape=True) for column in columns)))
