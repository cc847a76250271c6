"""Exemptions: granted for a while, by whom, to whom, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, subjects_in_force, tagged
from admin_api.api.http.paging import moment_of, page_of
from admin_api.editing import exemptions as editing
from admin_api.editing.exemptions import Who
from admin_api.store import exemptions
from admin_api.store.exemptions import ExemptionRow
from blocklists.sources import known_references


async def listing(call: Call) -> ApiReply:
    """GET /exemptions."""
    query: models.ExemptionsPage = call.query
    before = moment_of(query.cursor)
    async with call.context.store.read() as connection:
        rows = await exemptions.page(
            connection,
            limit=query.limit + 1,
            before=before,
            status=query.status,
            owner=query.owner,
            ending_before=query.ending_before,
        )
    shown, following = page_of(rows, query.limit, "created_at", "id")
    return ApiReply(models.Exemptions(items=[_item(row) for row in shown], next=following))


async def show(call: Call) -> ApiReply:
    """GET /exemptions/{id}."""
    async with call.context.store.read() as connection:
        row = await exemptions.get(connection, call.path["id"])
        events = await exemptions.events(connection, row.id)
    history = [models.ExemptionEvent.model_validate(event, from_attributes=True) for event in events]
    return tagged(models.ExemptionWithHistory(**dict(_item(row)), history=history), row.version)


async def create(call: Call) -> ApiReply:
    """POST /exemptions."""
    row, number = await editing.grant(
        call.context.subjects,
        call.body,
        known=known_references(call.context.catalogue),
        terms=call.context.settings.exemptions,
        who=_who(call),
    )
    headers = {"Location": f"/api/v1/exemptions/{row.id}", **await subjects_in_force(call, number)}
    return _reply(row, headers, 201)


async def approve(call: Call) -> ApiReply:
    """POST /exemptions/{id}:approve."""
    row, number = await editing.approve(
        call.context.subjects,
        call.path["id"],
        who=_who(call),
        expected_version=call.expected_version(),
        four_eyes=call.context.settings.exemptions.four_eyes,
    )
    return _reply(row, await subjects_in_force(call, number))


async def deny(call: Call) -> ApiReply:
    """POST /exemptions/{id}:deny."""
    row, number = await editing.deny(
        call.context.subjects,
        call.path["id"],
        reason=call.body.get("reason"),
        who=_who(call),
        expected_version=call.expected_version(),
    )
    return _reply(row, await subjects_in_force(call, number))


async def revoke(call: Call) -> ApiReply:
    """POST /exemptions/{id}:revoke."""
    row, number = await editing.revoke(
        call.context.subjects,
        call.path["id"],
        reason=call.body.get("reason"),
        who=_who(call),
        expected_version=call.expected_version(),
    )
    return _reply(row, await subjects_in_force(call, number))


async def renew(call: Call) -> ApiReply:
    """POST /exemptions/{id}:renew."""
    row, number = await editing.renew(
        call.context.subjects,
        call.path["id"],
        call.body,
        terms=call.context.settings.exemptions,
        who=_who(call),
        expected_version=call.expected_version(),
    )
    return _reply(row, await subjects_in_force(call, number))


def subject_of(row: ExemptionRow) -> dict[str, object]:
    """The subject of an exemption, as a call has it."""
    if row.kind == "client" and len(row.who) > 1:
        return {"clients": list(row.who)}
    return {row.kind: row.who[0]}


def _who(call: Call) -> Who:
    return Who(call.actor, call.owner, call.request_id)


def _reply(row: ExemptionRow, headers: Mapping[str, str], status: int = 200) -> ApiReply:
    return tagged(_item(row), row.version, headers, status)


def _item(row: ExemptionRow) -> models.ExemptionItem:
    names = models.ExemptionItem.model_fields.keys() - {"subject", "in_force", "from_approval"}
    now = datetime.now(UTC)
    in_force = row.status == "active" and row.starts_at <= now < row.expires_at
    from_approval = row.requested_seconds is not None and row.from_approval_seconds is not None
    facts = {name: getattr(row, name) for name in names}
    return models.ExemptionItem(**facts, subject=subject_of(row), in_force=in_force, from_approval=from_approval)
