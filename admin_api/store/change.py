"""One change of the store: what it notes besides the rows that it writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.columns import canonical
from admin_api.store.lease_row import LeaseRow
from admin_api.store.undo import Undo


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the audit trail to be; `before` and `after` are canonical JSON, None for nothing."""

    at: datetime
    actor: str
    action: str
    object: str
    before: str | None
    after: str | None
    request_id: str | None


class Change:
    """An open transaction that writes. Made by `Store.change`, which commits it or rolls it back."""

    def __init__(self, connection: AsyncConnection, actor: str, request_id: str | None, revision: int) -> None:
        self.connection = connection
        self.actor = actor
        self.request_id = request_id
        self.revision = revision  # within: what the policy's revision will be; after: what it is
        self.is_of_policy = False
        self.entries: list[AuditEntry] = []
        self.leased: list[tuple[LeaseRow | None, LeaseRow | None]] = []  # before and after; leases have no audit rows
        self.undo = Undo()

    def touches_policy(self) -> None:
        """The commit brings a new policy revision: `revision`."""
        self.is_of_policy = True

    def record(self, action: str, object: str, before: Any, after: Any) -> None:  # noqa: A002 (the contract's word)
        """Note in the audit trail, with the commit, what was done to what: ``"update", "groups/staff", {…}, {…}``."""
        texts = [None if value is None else canonical(value) for value in (before, after)]
        entry = AuditEntry(datetime.now(UTC), self.actor, action, object, texts[0], texts[1], self.request_id)
        self.entries.append(entry)


Judge = Callable[[Change], Awaitable[None]]

JUDGE: Final[ContextVar[Judge | None]] = ContextVar("JUDGE", default=None)
"""Judge of a change, called once all of it is written, before it is committed; what it raises rolls the change back.

Set around a call of the API (api/performing.py), so that no handler can forget it. What the node does by
itself, and what root does on the machine, has none.
"""
