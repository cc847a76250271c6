"""Column types of the store, the same on both engines, and values as its columns have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, String, Text, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """A time as the store keeps it: whole microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def iso_text(at: datetime) -> str:
    """A time as states have it: ISO 8601, UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept as a number: exact on both engines, and equal wherever it is read."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the column."""
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the column."""
        return None if value is None else _EPOCH + value * _MICROSECOND


def canonical(value: Any) -> str:
    """JSON in one form: equal values give equal text. ASCII, for PostgreSQL's text cannot hold every character."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def bindable(text: str) -> str:
    """A text to compare with, as both engines take it: what no column can hold is replaced, and so equals nothing."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class Json(TypeDecorator[Any]):
    """A JSON value as canonical text; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the column."""
        return None if value is None else canonical(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """From the column."""
        return None if value is None else json.loads(value)


class JsonTuple(Json):
    """A JSON array, which is a tuple in rows; None is NULL."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """From the column."""
        return None if value is None else tuple(json.loads(value))


# Types that the migrations have, too: a change of one would be a migration of its own.
# Sorted by code points on both engines: a page's cursor means the same everywhere.
Key = Text().with_variant(Text(collation="C"), "postgresql")
Word = String(32)
BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER alone, which has 64 bits there
