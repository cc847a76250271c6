"""Changes that wait for another owner: listed, approved, denied, withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, tagged
from admin_api.api.http.paging import moment_of, page_reply
from admin_api.api.route import BASE
from admin_api.editing.common import NOT_WRITABLE, is_writable
from admin_api.editing.errors import Invalid
from admin_api.persons import is_same_person
from admin_api.store import change_requests
from admin_api.store.change import Change
from admin_api.store.change_requests import ChangeRequestRow
from admin_api.store.errors import Forbidden, StaleVersion, WrongState

CHANGES: Final = f"{BASE}/change-requests"
DECIDED: Final = "change.decided"  # the event
_MOST_SHOWN = 64 << 10  # octets, compressed, of what was sent

_Told = TypeVar("_Told", bound=models.ChangeRequestItem)


async def listing(call: Call) -> ApiReply:
    """GET /change-requests."""
    query: models.ChangesPage = call.query
    before = moment_of(query.cursor)
    async with call.context.store.read() as connection:
        rows = await change_requests.page(
            connection, datetime.now(UTC), limit=query.limit + 1, before=before, status=query.status
        )
    return page_reply(models.ChangeRequests, rows, query.limit, "created_at", "id", item=_item)


async def show(call: Call) -> ApiReply:
    """GET /change-requests/{id}."""
    async with call.context.store.read() as connection:
        row = await change_requests.get(connection, call.path["id"])
        is_kept = row.status == "pending" and row.body_octets <= _MOST_SHOWN
        body = await change_requests.body_of(connection, row) if is_kept else None
    return tagged(told_as(models.ChangeRequestWithBody, row, body=body), row.version)


async def approve(call: Call) -> ApiReply:
    """POST /change-requests/{id}:approve."""
    async with call.context.store.read() as connection:
        row = await change_requests.get(connection, call.path["id"])
    if (status := row.status_at(datetime.now(UTC))) != "pending":
        raise WrongState(f"change request {row.id!r} is {status}: it cannot be approved")
    if is_same_person(call.owner, row.requested_owner):
        raise Forbidden(f"{row.requested_owner} requested it: another owner has to approve it")
    if call.carry_out is None:
        raise WrongState("no handler is available")
    return await call.carry_out(call, row, call.expected_version())


async def deny(call: Call) -> ApiReply:
    """POST /change-requests/{id}:deny."""
    return await _end(call, "deny")


async def withdraw(call: Call) -> ApiReply:
    """POST /change-requests/{id}:withdraw."""
    return await _end(call, "withdraw")


async def _end(call: Call, action: str) -> ApiReply:
    async with call.change() as change:
        row = await found_request(change, call.path["id"], call.expected_version())
        if action == "withdraw" and not is_same_person(call.owner, row.requested_owner):
            raise Forbidden(f"{row.requested_owner} requested it, and only that owner may withdraw it: deny it")
        row = await change_requests.decide(change, row, action, owner=call.owner, note=_reason(call.body))
        await call.context.outbox.put(change.connection, DECIDED, dict(change_requests.facts_of(row)))
    return tagged(_item(row), row.version)


async def found_request(change: Change, number: str, expected_version: int | None) -> ChangeRequestRow:
    """A change request within a change. Raises NotFound, StaleVersion."""
    row = await change_requests.get(change.connection, number)
    if expected_version is not None and expected_version != row.version:
        raise StaleVersion(f"change request {number!r}")
    return row


def _reason(body: Mapping[str, Any]) -> str | None:
    reason = (body.get("reason") or "").strip()
    if not is_writable(reason):
        raise Invalid([("/reason", NOT_WRITABLE)])
    return reason or None


def told_as(model: type[_Told], row: ChangeRequestRow, **more: object) -> _Told:
    """A change request as the API tells of it. Half a token is not told."""
    status = row.status_at(datetime.now(UTC))
    return as_model(model, row, status=status, waits_until=row.expires_at, **{"token_part": None, **more})


def _item(row: ChangeRequestRow) -> models.ChangeRequestItem:
    return told_as(models.ChangeRequestItem, row)
