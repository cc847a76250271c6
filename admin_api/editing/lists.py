"""Make, change and remove the company's own lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from admin_api.editing.common import Merge, Written, check_mine, validated
from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.editing.rules import check_bounds, read_rules, told
from admin_api.store import groups, lists, rules
from admin_api.store.change import Change
from admin_api.store.errors import Forbidden, InUse, TooMany, WrongKind
from admin_api.store.lists import FETCHING, ListRow
from admin_api.store.states import ListSettings
from admin_api.store.store import Store
from resolver.config import fields
from resolver.config.fields import Switch
from resolver.config.references import KnownReferences, contradictions
from resolver.config.subscription import SubscriptionFields

MOST_LISTS: Final = 1000


class _Body(SubscriptionFields):
    """Fields of a list that may be written, besides its rules."""

    name: fields.Name
    enabled: Switch = True


def check_reach(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
    """Refuse what only an admin may do: to lead a list to private addresses. Raises Forbidden.

    Whoever chooses such an address learns from what becomes of the list what answers there. `before` and `after` are
    settings of the list; others may change those of a list that an admin let there, but not where it leads.
    """
    if not after.get("allow_private"):
        return
    if before is None or not before.get("allow_private") or before.get("url") != after.get("url"):
        why = "allow_private permits private and local addresses in its url"
        raise Forbidden(f"list {name!r}: {why}; only the role admin may set it, or change the url of such a list")


async def create_list(
    store: Store,
    body: Mapping[str, Any],
    *,
    known: KnownReferences,
    actor: str,
    is_admin: bool = False,
    request_id: str | None = None,
) -> Written[ListRow]:
    """Make a list of name, enabled, block and allow. Raises Invalid, Forbidden, Duplicate, TooMany, StoreAway."""
    wanted = validated(_Body, _said(body))
    if not is_admin:
        check_reach(wanted.name, None, _fetching(wanted))
    if wanted.url is not None and (body.get("block") or body.get("allow")):
        side = "block" if body.get("block") else "allow"
        raise Invalid([(f"/{side}", "is beside a url: a list is fetched, or has rules of its own; make two lists")])
    raise_invalid(
        (path[2:], text) for path, text in contradictions({"lists": [{"name": wanted.name}]}, known)
    )  # below lists[0]
    block, allow = await read_rules(body.get("block") or (), body.get("allow") or ())
    async with store.change(actor, request_id) as change:
        row = await lists.create(
            change,
            name=wanted.name,
            kind="subscription" if wanted.url else "own",
            enabled=wanted.enabled,
            **(_fetching(wanted) if wanted.url else {}),
        )
        if len(await lists.all_lists(change.connection)) > MOST_LISTS:
            raise TooMany(f"there are {MOST_LISTS} lists, the maximum: put the rules into one of them")
        added = await rules.add(change, row, block=block, allow=allow)
        row = await lists.get(change.connection, row.name)
        await check_bounds(change.connection, row, block, allow)
        change.record("create", f"lists/{row.name}", None, {**row.plain(), "added": await told(change, row, added)})
        change.touches_policy()
    return Written(row, change.revision)


async def update_list(
    store: Store,
    name: str,
    merge: Merge,
    *,
    expected_version: int | None = None,
    actor: str,
    is_admin: bool = False,
    request_id: str | None = None,
) -> Written[ListRow]:
    """Make a list what `merge` gives, which gets name and enabled as they are.

    Raises NotFound, StaleVersion, OwnedByFile, Invalid, Forbidden, StoreAway, and what `merge` raises.
    """
    async with store.change(actor, request_id) as change:
        row = await lists.get(change.connection, name)
        await check_mine(change.connection, f"list {name!r}", "policy.lists", row, expected_version)
        now = {"name": row.name, **row.settings}
        wanted = validated(_Body, _said(merge(now)))
        if wanted.name != row.name:
            raise Invalid([("/name", f"is {row.name!r} and cannot be changed: create a new list")])
        if (wanted.url is None) is (row.kind == "subscription"):
            raise Invalid([("/url", "cannot be added or removed: a list is fetched or has rules; create a new one")])
        if not is_admin:
            check_reach(row.name, now, _fetching(wanted))
        values = {"enabled": wanted.enabled, **(_fetching(wanted) if wanted.url else {})}
        if any(getattr(row, name) != value for name, value in values.items()):
            before = row.plain()
            if row.allow_private and not wanted.allow_private:
                values["last_error"] = None  # it was for admins only
            row = await lists.update(change, row, **values)
            change.record("update", f"lists/{name}", before, row.plain())
            change.touches_policy()
    return Written(row, change.revision)


async def ask_refresh(store: Store, name: str, *, actor: str, request_id: str | None = None) -> tuple[ListRow, int]:
    """Note that somebody wants a list fetched; gives it, and a policy revision of that moment.

    Raises NotFound, WrongKind, StoreAway.
    """
    async with store.change(actor, request_id) as change:
        row = await lists.get(change.connection, name)
        if row.kind != "subscription":
            raise WrongKind(f"list {name!r} is not fetched: it has its own rules")
        change.record("ask for refresh", f"lists/{name}", None, None)
        change.touches_policy()
    return row, change.revision


def _said(body: Mapping[str, Any]) -> Mapping[str, object]:
    """Fields of a body besides rules; null is like not said, and so is what only lists with a url have, if false."""
    said = {key: value for key, value in body.items() if key not in {"block", "allow"} and value is not None}
    if said.get("allow_private") is False:
        del said["allow_private"]
    return said


def _fetching(wanted: SubscriptionFields) -> ListSettings:
    return cast(ListSettings, {name: getattr(wanted, name) for name in FETCHING})


async def delete_list(
    store: Store, name: str, *, expected_version: int | None = None, actor: str, request_id: str | None = None
) -> int:
    """Remove a list; gives the policy revision without it.

    Raises NotFound, StaleVersion, OwnedByFile, InUse, StoreAway.
    """
    async with store.change(actor, request_id) as change:
        row = await lists.get(change.connection, name)
        await check_mine(change.connection, f"list {name!r}", "policy.lists", row, expected_version)
        users = [
            f"group {group.name!r}" for group in await groups.all_groups(change.connection) if name in group.references
        ]
        if users:
            raise InUse(f"list {name!r}", users)
        await note_rules(change, row)
        await lists.delete(change, row)
        change.record("delete", f"lists/{name}", row.plain(), None)
        change.touches_policy()
    return change.revision


async def note_rules(change: Change, row: ListRow) -> None:
    """Keep the rules of a list that goes, so that it can be brought back."""
    if row.content is None:
        async for batch in rules.stream(change.connection, row.id):
            change.undo.rules("-", row.name, batch)
