"""Leases: who has which address for now. VPN and DHCP servers set them."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, subjects_in_force
from admin_api.api.http.paging import page_of, place_of
from admin_api.editing import leases as editing
from admin_api.editing.common import read_address
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.store import leases
from admin_api.store.lease_row import LeaseRow
from resolver.errors import RuleError


async def listing(call: Call) -> ApiReply:
    """GET /leases."""
    query: models.LeasesPage = call.query
    after = place_of(query.cursor, str)
    async with call.context.store.read() as connection:
        rows = await leases.page(
            connection,
            limit=query.limit + 1,
            after=after[0] if after else None,
            identity=query.identity,
            contains=query.contains,
        )
    shown, following = page_of(rows, query.limit, "address")
    return ApiReply(models.Leases(items=[_item(row) for row in shown], next=following))


async def show(call: Call) -> ApiReply:
    """GET /leases/{address}."""
    async with call.context.store.read() as connection:
        row = await leases.get(connection, _address(call))
        rows = await leases.of_device(connection, row.device)
    return ApiReply(_item(row, rows))


async def put(call: Call) -> ApiReply:
    """PUT /leases/{address}."""
    address = _address(call)
    rows, is_new, number = await editing.set_lease(
        call.context.subjects,
        address,
        call.body,
        terms=call.context.settings.leases,
        actor=call.actor,
        request_id=call.request_id,
        bounds=_bounds(call),
    )
    headers = await subjects_in_force(call, number)
    return ApiReply(_item(rows[0], rows), 201 if is_new else 200, headers)


async def delete(call: Call) -> ApiReply:
    """DELETE /leases/{address}."""
    identity = call.query.identity
    if identity is None and call.role == "lease":
        why = "role lease ends a lease of the identity that it names: it may be somebody else's by now"
        raise BadRequest(422, why, [("/identity", "is missing: add ?identity=")])
    number = await editing.end_lease(
        call.context.subjects,
        _address(call),
        identity=identity,
        actor=call.actor,
        request_id=call.request_id,
        bounds=_bounds(call),
    )
    return ApiReply(None, 204, await subjects_in_force(call, number))


async def history(call: Call) -> ApiReply:
    """GET /lease-history."""
    query: models.LeaseHistoryPage = call.query
    before = place_of(query.cursor, int)
    async with call.context.store.read() as connection:
        rows = await leases.history(
            connection,
            limit=query.limit + 1,
            before_id=before[0] if before else None,
            address=query.address,
            identity=query.identity,
        )
    shown, following = page_of(rows, query.limit, "id")
    items = [models.LeaseEventItem.model_validate(row, from_attributes=True) for row in shown]
    return ApiReply(models.LeaseHistory(items=items, next=following))


def _bounds(call: Call) -> editing.LeaseBounds:
    token = call.token
    return editing.LeaseBounds() if token is None else editing.LeaseBounds(token.networks, token.groups)


def _address(call: Call) -> str:
    try:
        return read_address(call.path["address"])
    except RuleError as error:
        raise Invalid([("", str(error))]) from None


def _item(row: LeaseRow, of_device: list[LeaseRow] | None = None) -> models.LeaseItem:
    item = models.LeaseItem.model_validate(row, from_attributes=True)
    if of_device is not None:
        item.addresses = sorted(one.address for one in of_device)
    return item
