"""Exemptions: granted for a while, by whom, to whom, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import TypedDict, TypeVar

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, subjects_in_force, tagged
from admin_api.api.http.paging import moment_of, page_reply
from admin_api.api.naming import host_names
from admin_api.editing import exemptions as editing
from admin_api.editing.exemptions import Who
from admin_api.store import exemptions
from admin_api.store.exemptions import ExemptionRow

_Told = TypeVar("_Told", bound=models.ExemptionItem)


async def listing(call: Call) -> ApiReply:
    """GET /exemptions."""
    query: models.ExemptionsPage = call.query
    async with call.context.store.read() as connection:
        rows = await exemptions.page(
            connection,
            limit=query.limit + 1,
            before=moment_of(query.cursor),
            status=query.status,
            owner=query.owner,
            ending_before=query.ending_before,
        )
    names = await host_names(call, "GET /exemptions", chain.from_iterable(map(_clients_of, rows)))
    return page_reply(
        *(models.Exemptions, rows, query.limit, "created_at", "id"),
        item=lambda row: _told_as(models.ExemptionItem, row, client_hosts=_hosts_of(row, names)),
    )


async def show(call: Call) -> ApiReply:
    """GET /exemptions/{id}."""
    async with call.context.store.read() as connection:
        row = await exemptions.get(connection, call.path["id"])
        events = await exemptions.events(connection, row.id)
    hosts = await host_names(call, "GET /exemptions/{id}", _clients_of(row))
    return tagged(_told_as(models.ExemptionWithHistory, row, history=events, client_hosts=hosts), row.version)


async def create(call: Call) -> ApiReply:
    """POST /exemptions."""
    context = call.context
    row, number = await editing.grant(
        context.subjects, call.body, known=context.known, terms=context.terms, who=_who(call)
    )
    headers = {"Location": f"/api/v1/exemptions/{row.id}", **await subjects_in_force(call, number)}
    return tagged(_item(row), row.version, headers, 201)


async def approve(call: Call) -> ApiReply:
    """POST /exemptions/{id}:approve."""
    four_eyes = call.context.terms.four_eyes
    done = await editing.approve(call.context.subjects, call.path["id"], four_eyes=four_eyes, **_acting(call))
    return await _reply(call, *done)


async def deny(call: Call) -> ApiReply:
    """POST /exemptions/{id}:deny."""
    reason = call.body.get("reason")
    done = await editing.deny(call.context.subjects, call.path["id"], reason=reason, **_acting(call))
    return await _reply(call, *done)


async def revoke(call: Call) -> ApiReply:
    """POST /exemptions/{id}:revoke."""
    reason = call.body.get("reason")
    done = await editing.revoke(call.context.subjects, call.path["id"], reason=reason, **_acting(call))
    return await _reply(call, *done)


async def renew(call: Call) -> ApiReply:
    """POST /exemptions/{id}:renew."""
    terms = call.context.terms
    done = await editing.renew(call.context.subjects, call.path["id"], call.body, terms=terms, **_acting(call))
    return await _reply(call, *done)


def subject_of(row: ExemptionRow) -> dict[str, object]:
    """The subject of an exemption, as a call has it."""
    if row.kind == "client" and len(row.who) > 1:
        return {"clients": list(row.who)}
    return {row.kind: row.who[0]}


def _clients_of(row: ExemptionRow) -> Sequence[str]:
    return row.who if row.kind == "client" else ()


def _hosts_of(row: ExemptionRow, names: Mapping[str, str]) -> dict[str, str]:
    return {client: names[client] for client in _clients_of(row) if client in names}


def _who(call: Call) -> Who:
    return Who(call.actor, call.owner, call.request_id)


class _Acting(TypedDict):
    who: Who
    expected_version: int | None


def _acting(call: Call) -> _Acting:
    """The arguments of each function that does something about an exemption."""
    return {"who": _who(call), "expected_version": call.expected_version()}


async def _reply(call: Call, row: ExemptionRow, number: int) -> ApiReply:
    return tagged(_item(row), row.version, await subjects_in_force(call, number))


def _item(row: ExemptionRow) -> models.ExemptionItem:
    return _told_as(models.ExemptionItem, row)


def _told_as(model: type[_Told], row: ExemptionRow, **more: object) -> _Told:
    in_force = row.status == "active" and row.starts_at <= datetime.now(UTC) < row.expires_at
    from_approval = row.requested_seconds is not None and row.from_approval_seconds is not None
    return as_model(model, row, subject=subject_of(row), in_force=in_force, from_approval=from_approval, **more)
