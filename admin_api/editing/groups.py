"""Make, change and remove groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from admin_api.editing.common import Merge, Written, check_mine, validated
from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.store import groups, lists
from admin_api.store.change import Change
from admin_api.store.errors import Duplicate, InUse, TooMany
from admin_api.store.groups import GroupRow
from admin_api.store.policy import DEFAULT_GROUP
from admin_api.store.states import GroupState
from admin_api.store.store import Store
from resolver.config.policy_schema import Group
from resolver.config.references import KnownReferences, contradictions
from resolver.config.wording import KeyPath

MOST_GROUPS: Final = 2000
MOST_NETWORKS: Final = 5000  # of one group
MOST_CLIENT_NAMES: Final = 5000  # of one group
MOST_REFERENCES: Final = 1000  # in each of `block`, `monitor` and `allow`


async def create_group(
    store: Store, body: Mapping[str, Any], *, known: KnownReferences, actor: str, request_id: str | None = None
) -> Written[GroupRow]:
    """Make a group. Raises Invalid, Duplicate, TooMany, StoreAway."""
    wanted = _read(body)
    async with store.change(actor, request_id) as change:
        if await groups.exists(change.connection, wanted["name"]):
            raise Duplicate(f"group {wanted['name']!r}")
        if len(await groups.all_groups(change.connection)) >= MOST_GROUPS:
            raise TooMany(f"there are {MOST_GROUPS} groups, the maximum: give one of them more networks")
        await _check(change, wanted, known)
        row = await groups.create(change, wanted)
        change.record("create", f"groups/{row.name}", None, row.plain())
        change.touches_policy()
    return Written(row, change.revision)


async def update_group(
    store: Store,
    name: str,
    merge: Merge,
    *,
    known: KnownReferences,
    expected_version: int | None = None,
    actor: str,
    request_id: str | None = None,
) -> Written[GroupRow]:
    """Make a group what `merge` gives, which gets it as `GroupRow.plain` has it; what is left out is the default.

    Raises NotFound, StaleVersion, OwnedByFile, Invalid, StoreAway, and what `merge` raises.
    """
    async with store.change(actor, request_id) as change:
        row = await groups.get(change.connection, name)
        await check_mine(change.connection, f"group {name!r}", "policy.groups", row, expected_version)
        wanted = _read(merge(row.plain()))
        if wanted["name"] != name:
            raise Invalid([("/name", f"is {name!r} and cannot be changed: create a new group")])
        before = row.plain()
        if wanted != before:
            await _check(change, wanted, known)
            row = await groups.update(change, row, **wanted)
            change.record("update", f"groups/{name}", before, row.plain())
            change.touches_policy()
    return Written(row, change.revision)


async def delete_group(
    store: Store, name: str, *, expected_version: int | None = None, actor: str, request_id: str | None = None
) -> int:
    """Remove a group; gives the policy revision without it.

    Raises NotFound, StaleVersion, OwnedByFile, InUse (of `default`), StoreAway.
    """
    async with store.change(actor, request_id) as change:
        row = await groups.get(change.connection, name)
        await check_mine(change.connection, f"group {name!r}", "policy.groups", row, expected_version)
        if name == DEFAULT_GROUP:
            raise InUse(f"group {name!r}", ["all clients in no other group"])
        await groups.delete(change, row)
        change.record("delete", f"groups/{name}", row.plain(), None)
        change.touches_policy()
    return change.revision


def _read(body: Mapping[str, Any]) -> GroupState:
    """The body in its normal form, every field there. Raises Invalid."""
    raise_invalid(_too_much(body))
    return cast(GroupState, validated(Group, body).model_dump(mode="json"))


def _too_much(body: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for field, most in (
        ("networks", MOST_NETWORKS),
        ("client_names", MOST_CLIENT_NAMES),
        ("block", MOST_REFERENCES),
        ("monitor", MOST_REFERENCES),
        ("allow", MOST_REFERENCES),
    ):
        value = body.get(field)
        if isinstance(value, list | tuple) and len(value) > most:
            yield (field,), f"has {len(value)} entries: at most {most} are allowed"


async def _check(change: Change, wanted: GroupState, known: KnownReferences) -> None:
    """Check a group against others: networks and client names that they have, and references. Raises Invalid."""
    claims = await groups.claims(change.connection, wanted["networks"])
    name_claims = await groups.name_claims(change.connection, wanted["client_names"])
    others = [
        {"name": name, "networks": claims.get(name, []), "client_names": name_claims.get(name, [])}
        for name in sorted({*claims, *name_claims} - {wanted["name"]})
    ]
    policy = {
        "lists": [{"name": row.name} for row in await lists.all_lists(change.connection)],
        "groups": [*others, wanted],
    }
    raise_invalid(
        (path[2:], text) for path, text in contradictions(policy, known) if path[:2] == ("groups", len(others))
    )
