"""Set, renew and end leases."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from admin_api.editing.common import read_address, validated
from admin_api.editing.errors import Invalid
from admin_api.store import groups, leases
from admin_api.store.errors import Forbidden, NotFound, TooMany, WrongState
from admin_api.store.lease_row import LeaseRow
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subjects.rows import lease_of
from resolver.config import fields
from resolver.config.section import Section
from resolver.errors import RuleError
from resolver.snapshot.clocks import now as moment

MOST_ADDRESSES: Final = 16  # of one device


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """The config's settings of leases."""

    most: int
    longest_seconds: int


@dataclass(frozen=True, slots=True)
class LeaseBounds:
    """Networks and groups that a token of role lease is bound to; None: to nothing."""

    networks: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    def check(self, rows: Iterable[LeaseRow]) -> None:
        """Raise Forbidden for leases that are not the token's to set, to replace or to end."""
        for row in rows:
            if self.networks is not None:
                address = ipaddress.ip_address(row.address)
                if not any(address in ipaddress.ip_network(network) for network in self.networks):
                    raise Forbidden(f"this token leases addresses in {', '.join(self.networks)}; not {address}")
            if self.groups is not None and row.group is not None and row.group not in self.groups:
                mine = ", ".join(self.groups) or "no group"
                raise Forbidden(f"this token leases into {mine}; the lease on {row.address} has group {row.group!r}")


def _read_identity(text: str) -> str:
    if text.strip():
        return text.strip()
    raise RuleError("is empty: name the user or device")


class _Body(Section):
    identity: Annotated[str, fields.reading(_read_identity), Field(max_length=200)]
    group: fields.Name | None = None
    ttl_seconds: Annotated[int, Field(ge=1), fields.NUMBER]
    addresses: Annotated[fields.Texts, fields.read_each(read_address)] = ()


async def set_lease(
    keeper: SubjectKeeper,
    address: str,
    body: Mapping[str, Any],
    *,
    terms: LeaseTerms,
    actor: str,
    request_id: str | None = None,
    bounds: LeaseBounds = LeaseBounds(),
) -> tuple[list[LeaseRow], bool, int]:
    """Lease an address, and more of the same device, to an identity, or renew that.

    What the device had besides is taken from it. Gives the leases, whether the first is new, and the change to wait
    for. Raises Invalid, Forbidden, TooMany, StoreAway.
    """
    wanted = validated(_Body, body)
    if wanted.ttl_seconds > terms.longest_seconds:
        raise Invalid([("/ttl_seconds", f"is more than {terms.longest_seconds}: see leases.longest_seconds")])
    at = datetime.now(UTC)
    all_of_it = tuple(dict.fromkeys((address, *wanted.addresses)))
    if len(all_of_it) > MOST_ADDRESSES:
        raise Invalid([("/addresses", f"exceed {MOST_ADDRESSES} addresses of one device")])
    # Not synced: thousands come in a minute, and after a loss of power devices call again.
    async with keeper.change(actor, request_id, synced=False) as changing:
        conn = changing.store.connection
        if wanted.group is not None and not await groups.exists(conn, wanted.group):
            raise Invalid([("/group", f"there is no group {wanted.group!r}")])
        before = await leases.at(conn, all_of_it)
        more = len(all_of_it) - len(before)
        if more and await leases.count(conn) + more > terms.most:
            raise TooMany(f"{terms.most} addresses are leased, the maximum: see leases.most")
        first = before.get(address)
        is_known = first is not None and first.identity == wanted.identity
        device = first.device if first is not None and is_known else secrets.token_hex(8)
        rows, actions = [], []
        for one in all_of_it:
            old = before.get(one)
            is_renewal = old is not None and (old.identity, old.group) == (wanted.identity, wanted.group)
            rows.append(
                LeaseRow(
                    address=one,
                    identity=wanted.identity,
                    group=wanted.group,
                    device=device,
                    set_by=actor,
                    created_at=old.created_at if old is not None and is_renewal else at,
                    updated_at=at,
                    ends_at=at + timedelta(seconds=wanted.ttl_seconds),
                )
            )
            actions.append("renewed" if is_renewal else "set")
        of_device = await leases.of_device(conn, device) if is_known else []
        gone = [row for row in of_device if row.address not in all_of_it]
        bounds.check([*rows, *before.values(), *gone])
        await leases.end(changing.store, gone, "ended")
        await leases.put(changing.store, rows, actions, instead_of=before)
        changing.drop += [lease_of(row, moment()) for row in gone]
        changing.put += [lease_of(row, moment()) for row in rows]
    return rows, first is None, changing.number


async def end_lease(
    keeper: SubjectKeeper,
    address: str,
    *,
    identity: str | None,
    actor: str,
    request_id: str | None = None,
    bounds: LeaseBounds = LeaseBounds(),
) -> int:
    """End the leases of a device, all its addresses; `identity` is whose lease is meant, None for anybody's.

    Raises NotFound, Forbidden, WrongState when it is another's, StoreAway.
    """
    async with keeper.change(actor, request_id, synced=False) as changing:
        conn = changing.store.connection
        row = await leases.get(conn, address)
        if identity is not None and row.identity != identity:
            raise WrongState(f"{address} is now leased to somebody else; that lease stays")
        rows = await leases.of_device(conn, row.device)
        if not rows:
            raise NotFound(f"lease on {address}")
        bounds.check(rows)
        await leases.end(changing.store, rows, "ended")
        changing.drop += [lease_of(one, moment()) for one in rows]
    return changing.number
