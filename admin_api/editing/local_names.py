"""Make, change and remove local names."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from admin_api.editing.common import Written, validated
from admin_api.editing.errors import Invalid, pointer
from admin_api.store import local_names
from admin_api.store.change import Change
from admin_api.store.errors import OwnedByFile, StaleVersion, TooMany
from admin_api.store.local_names import LocalNameRow
from admin_api.store.store import Store
from resolver.config import fields
from resolver.config.local_files import circles
from resolver.config.local_schema import read_given, read_local_name, record_of
from resolver.config.section import Section
from resolver.errors import RuleError
from resolver.wire.local_records import BY_API, BY_KEY, LocalRecord

MOST_MISTAKES: Final = 20
"""Mistakes of one call that are told."""


class LocalNameWanted(Section):
    """A local name as it is to be: addresses, or one name that it stands for."""

    addresses: fields.Texts = ()
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenLocalName(Written[LocalNameRow]):
    """A local name that was written; `is_new`: there was none."""

    is_new: bool


async def put_local_name(
    store: Store,
    name: str,
    body: Mapping[str, Any],
    *,
    of_config: Sequence[LocalRecord],
    most: int,
    expected_version: int | None = None,
    actor: str,
    request_id: str | None = None,
) -> WrittenLocalName:
    """Make a local name what the body says; there are at most so many. One that is not there has version 0.

    Raises Invalid, OwnedByFile, StaleVersion, TooMany, StoreAway.
    """
    name, given = read_put(name, body)
    async with store.change(actor, request_id) as change:
        _check_mine(name, of_config)
        before = await local_names.find(change.connection, name)
        if expected_version not in (None, 0 if before is None else before.version):
            raise StaleVersion(f"local name {name!r}")
        row = before
        if row is None or row.given != given:
            await _check_circles(change, record_of(name, given, BY_API), of_config)
            row = await local_names.put(change, name, given)
            action = "create" if before is None else "update"
            change.record(action, f"local/{name}", None if before is None else before.plain(), row.plain())
            change.touches_policy()
        if before is None:
            await check_count(change, most)
    return WrittenLocalName(row, change.revision, is_new=before is None)


async def delete_local_name(
    store: Store,
    name: str,
    *,
    of_config: Sequence[LocalRecord],
    expected_version: int | None = None,
    actor: str,
    request_id: str | None = None,
) -> int:
    """Remove a local name; gives the policy revision without it. Raises NotFound, OwnedByFile, StaleVersion, StoreAway.

    One that the config has come to have, too, can be removed: what was made through the API goes.
    """
    name = normal_name(name)
    async with store.change(actor, request_id) as change:
        row = await local_names.find(change.connection, name)
        if row is None:
            _check_mine(name, of_config)
            row = await local_names.get(change.connection, name)
        if expected_version is not None and expected_version != row.version:
            raise StaleVersion(f"local name {name!r}")
        await local_names.delete(change, row.name)
        change.record("delete", f"local/{row.name}", row.plain(), None)
        change.touches_policy()
    return change.revision


def normal_name(text: str) -> str:
    """A local name in its one normal form; what is no such name stays as it is, and is not found."""
    try:
        return read_local_name(text)
    except RuleError:
        return text


def read_put(name: str, body: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """A name, and what it is to have, in their normal forms. Raises Invalid."""
    mistakes: list[tuple[str, str]] = []
    wanted = validated(LocalNameWanted, body)
    given: tuple[str, ...] = ()
    if bool(wanted.addresses) is (wanted.alias is not None):
        mistakes.append(("/addresses", "is missing, or given beside alias: use one of the two"))
    else:
        where = "/addresses" if wanted.alias is None else "/alias"
        try:
            given = read_given(wanted.addresses if wanted.alias is None else (wanted.alias,))
            has_alias = bool(record_of("", given, BY_API).alias)
            if has_alias is (wanted.alias is None):
                mistakes.append((where, "is a name: use alias" if has_alias else "is an address: use addresses"))
        except RuleError as error:
            mistakes.append((where, str(error)))
    try:
        name = read_local_name(name)
    except RuleError as error:
        mistakes.append(("/name", str(error)))
    if mistakes:
        raise Invalid(mistakes)
    return name, given


async def check_count(change: Change, most: int) -> None:
    """Raise TooMany where a change has come to more local names than there may be."""
    if await local_names.count(change.connection) > most:
        raise TooMany(f"the API has at most {most} local names (admin.most_local_names): use local_files for more")


def _check_mine(name: str, of_config: Sequence[LocalRecord]) -> None:
    """Raise OwnedByFile for a name that the config gives."""
    owner = next((record for record in of_config if record.name == name), None)
    if owner is not None:
        raise OwnedByFile(f"local name {name!r}", _place_to_edit(owner))


def check_planned(names: Iterable[str], of_config: Sequence[LocalRecord]) -> None:
    """Raise Invalid where a policy file makes or changes local names that the config gives."""
    owners = {record.name: record for record in of_config}
    mistakes = [
        (pointer(("policy", "local", name)), f"local name {name!r} is the config's: {_place_to_edit(owners[name])}")
        for name in names
        if name in owners
    ]
    if mistakes:
        raise Invalid(mistakes[:MOST_MISTAKES])


def _place_to_edit(owner: LocalRecord) -> str:
    return "edit the key local there" if owner.origin == BY_KEY else f"edit {owner.origin}"


async def _check_circles(change: Change, wanted: LocalRecord, of_config: Sequence[LocalRecord]) -> None:
    """Raise Invalid where names lead to each other for ever, or by too many steps."""
    others = [row.record for row in await local_names.all_names(change.connection) if row.name != wanted.name]
    mistakes = await asyncio.to_thread(circle_mistakes, (*of_config, *others, wanted), {wanted.name})
    if mistakes:
        raise Invalid([("/alias", text) for _, text in mistakes])


def circle_mistakes(records: tuple[LocalRecord, ...], changed: Collection[str]) -> list[tuple[str, str]]:
    """Circles among local names by way of those that changed, and chains that are too long.

    Each with a changed name that it goes by, as a finished sentence.

    Others may be there already, by the config's names: no change of a name beside them mends or makes those.
    """
    found = ((one, one.passed.intersection(changed)) for one in circles(records))
    told = ((one, one.name if one.name in by else min(by)) for one, by in found if by)
    return [(by, f"local name {one.name!r} {one.text}") for one, by in islice(told, MOST_MISTAKES)]
