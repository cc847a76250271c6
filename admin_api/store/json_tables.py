"""Many values in one statement: a JSON array that the database reads as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import FromClause, Text, cast, func, literal
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncConnection


def text_table(conn: AsyncConnection, texts: Sequence[str]) -> FromClause:
    """The texts as a table of one column, `value`."""
    array = json.dumps(list(texts))
    if conn.dialect.name == "sqlite":
        return func.json_each(array).table_valued("value")
    return func.json_array_elements_text(cast(literal(array, Text), JSON)).table_valued("value")
