"""Record of the feed in the store: tries, their outcome, and the highest versions seen, whatever was restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import documents
from admin_api.store.change import Change
from blocklists.feed.judging import Highest
from blocklists.feed.kept import higher, highest_of, plain_of

_NAME: Final = "catalogue_feed"  # the document


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """A feed's tries. Times are Unix time; `marks` are of the file that came last."""

    attempt_at: float | None = None
    success_at: float | None = None
    error: str = ""
    marks: Mapping[str, Any] = field(default_factory=dict)
    highest: Highest = field(default_factory=dict)

    def tried(self, **outcome: Any) -> FeedRecord:
        """The record after a try, now."""
        return replace(self, attempt_at=datetime.now(UTC).timestamp(), **outcome)


async def read_record(connection: AsyncConnection) -> FeedRecord:
    """The record that the store has."""
    plain = await documents.get(connection, _NAME) or {}
    marks = plain.get("marks")
    return FeedRecord(
        _time(plain.get("attempt_at")),
        _time(plain.get("success_at")),
        str(plain.get("error") or ""),
        marks if isinstance(marks, Mapping) else {},
        highest_of(plain.get("highest")),
    )


async def write_record(change: Change, record: FeedRecord) -> None:
    """Write the record; no highest version that the store has is lost."""
    there = await read_record(change.connection)
    highest = plain_of(higher(there.highest, record.highest))
    await documents.put(change.connection, _NAME, {**asdict(record), "highest": highest})


def _time(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
