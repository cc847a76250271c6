"""Feed of a sink from the audit trail: rows in their order. The store remembers which was sent last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.sinks.records import Records
from admin_api.sinks.rows import SinkRow
from admin_api.store import audit, documents
from admin_api.store.access import StoreAccess

_ACTOR: Final = "moatdns"
_OF_SHORT_FORM: Final = "audit_syslog"  # the document of audit.syslog, which earlier versions had already


@dataclass(slots=True)
class FedAudit:
    """Rows to be sent; `ids` are theirs."""

    rows: list[SinkRow] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    oldest: int | None = None  # Unix milliseconds of the first
    has_more: bool = False


class AuditFeed:
    """Feed of one sink. A new one gets the whole trail, so that the copy is whole."""

    def __init__(self, access: StoreAccess, key: str, records: Records, *, is_short: bool) -> None:
        self._access = access
        self._document = _OF_SHORT_FORM if is_short else f"log_sink:{key}"
        self._records = records

    async def take(self, most_rows: int, most_octets: int) -> FedAudit:
        """The next rows. Raises StoreAway."""
        async with self._access.store.read() as connection:
            rows = await audit.rows_after(connection, await self.sent(connection), limit=most_rows)
        found = FedAudit()
        for row in rows:
            made = self._records.audit(row)
            most_octets -= len(made.text)
            if found.rows and most_octets < 0:
                break
            found.rows.append(made)
            found.ids.append(row.id)
            found.oldest = found.oldest or round(row.at.timestamp() * 1000)
        found.has_more = bool(rows)
        return found

    async def sent(self, connection: AsyncConnection) -> int:
        """The last row that was sent."""
        return int((await documents.get(connection, self._document) or {}).get("id", 0))

    async def advance(self, found: FedAudit, count: int) -> None:
        """Note that so many of them are sent. Raises StoreAway."""
        if not count:
            return
        async with self._access.store.change(_ACTOR) as change:
            await documents.put(change.connection, self._document, {"id": found.ids[count - 1]})
