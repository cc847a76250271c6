"""Leases: who has which address for now. VPN and DHCP servers set them."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, subjects_in_force
from admin_api.api.http.paging import page_reply, part_of
from admin_api.editing import leases as editing
from admin_api.editing.common import read_address
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.store import leases
from admin_api.store.lease_row import LeaseRow
from admin_api.store.roles import only_leases
from resolver.errors import RuleError


async def listing(call: Call) -> ApiReply:
    """GET /leases."""
    query: models.LeasesPage = call.query
    async with call.context.store.read() as connection:
        rows = await leases.page(
            connection,
            limit=query.limit + 1,
            after=part_of(query.cursor, str),
            identity=query.identity,
            contains=query.contains,
        )
    return page_reply(models.Leases, rows, query.limit, "address")


async def show(call: Call) -> ApiReply:
    """GET /leases/{address}."""
    async with call.context.store.read() as connection:
        row = await leases.get(connection, _address(call))
        rows = await leases.of_device(connection, row.device)
    return ApiReply(_item(row, rows))


async def put(call: Call) -> ApiReply:
    """PUT /leases/{address}."""
    settings = call.context.settings
    terms = editing.LeaseTerms(settings.most_leases, settings.longest_lease_seconds)
    rows, is_new, number = await editing.set_lease(
        call.context.subjects, _address(call), call.body, terms=terms, bounds=_bounds(call), **call.by
    )
    headers = await subjects_in_force(call, number)
    return ApiReply(_item(rows[0], rows), 201 if is_new else 200, headers)


async def delete(call: Call) -> ApiReply:
    """DELETE /leases/{address}."""
    identity = call.query.identity
    if identity is None and only_leases(call.roles):
        why = "role lease has to name the identity of the lease: the address may have a new one"
        raise BadRequest(422, why, [("/identity", "is missing: add ?identity=")])
    number = await editing.end_lease(
        call.context.subjects, _address(call), identity=identity, bounds=_bounds(call), **call.by
    )
    return ApiReply(None, 204, await subjects_in_force(call, number))


async def history(call: Call) -> ApiReply:
    """GET /lease-history."""
    query: models.LeaseHistoryPage = call.query
    async with call.context.store.read() as connection:
        rows = await leases.history(
            connection,
            limit=query.limit + 1,
            before_id=part_of(query.cursor, int),
            address=query.address,
            identity=query.identity,
        )
    return page_reply(models.LeaseHistory, rows, query.limit, "id")


def _bounds(call: Call) -> editing.LeaseBounds:
    token = call.token
    return editing.LeaseBounds() if token is None else editing.LeaseBounds(token.networks, token.groups)


def _address(call: Call) -> str:
    try:
        return read_address(call.path["address"])
    except RuleError as error:
        raise Invalid([("", str(error))]) from None


def _item(row: LeaseRow, of_device: list[LeaseRow]) -> models.LeaseItem:
    return as_model(models.LeaseItem, row, addresses=sorted(one.address for one in of_device))
