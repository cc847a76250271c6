"""Many values in one statement, as one array: a table to insert from, or a set to look in."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import ARRAY, JSON, ColumnElement, FromClause, Text, any_, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection


def text_table(conn: AsyncConnection, texts: Sequence[str]) -> FromClause:
    """The texts as a table of one column, `value`."""
    array = json.dumps(list(texts))
    if conn.dialect.name == "sqlite":
        return func.json_each(array).table_valued("value")
    return func.json_array_elements_text(cast(literal(array, Text), JSON)).table_valued("value")


def among(conn: AsyncConnection, column: ColumnElement[str], texts: Sequence[str]) -> ColumnElement[bool]:
    """Whether the column holds one of the texts."""
    if conn.dialect.name == "sqlite":
        return column.in_(select(text_table(conn, texts).c.value))
    # An array, and no table: PostgreSQL, which cannot guess how long the table is, would read all rules of all lists.
    return column == any_(literal(list(texts), ARRAY(Text)))
