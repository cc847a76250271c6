"""The document: the policy in the shape of the config file's `policy` section, with where each thing comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.editing.common import validated
from admin_api.editing.errors import Invalid
from admin_api.store import groups, rules
from admin_api.store.lists import FETCHING, ListRow
from admin_api.store.policy import PolicyDocument, read_policy
from resolver.config import fields
from resolver.config.fields import Switch
from resolver.config.local_schema import LocalNamesGiven
from resolver.config.policy_schema import Group, OwnList, Response
from resolver.config.section import Section

MOST_RULES = 1_000_000  # of a document; more is for the API of lists

Origin = Literal["bundled", "file", "api"]


class ListEntry(OwnList):
    """A list of the document."""

    enabled: Switch = True
    origin: Origin = "api"

    @property
    def settings(self) -> Mapping[str, object]:
        """Its settings, without rules."""
        fetching = {name: getattr(self, name) for name in FETCHING} if self.url is not None else {}
        return {"enabled": self.enabled, **fetching}


class GroupEntry(Group):
    """A group of the document."""

    origin: Origin = "api"

    @property
    def plain(self) -> Mapping[str, Any]:
        """As the store's rows say it."""
        return self.model_dump(mode="json", exclude={"origin"})


class PolicyEntry(Section):
    """The policy of the document. `own_vendors` and `response` belong to the config file.

    The local names of the config file are no part of it.
    """

    own_vendors: fields.References | None = None
    response: Response | None = None
    lists: tuple[ListEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    local: LocalNamesGiven | None = None  # those made through the API; not said: they stay as they are


class PolicyFile(Section):
    """The whole document; `revision` is that of the policy it was written from."""

    revision: int | None = None
    policy: PolicyEntry = Field(default=PolicyEntry())


def read_document(body: Mapping[str, Any]) -> PolicyFile:
    """The document that was sent. Raises Invalid with every mistake."""
    document = validated(PolicyFile, body)
    count = sum(len(entry.block) + len(entry.allow) for entry in document.policy.lists)
    if count > MOST_RULES:
        raise Invalid([("/policy/lists", f"have {count} rules: {MOST_RULES} are the most of a document")])
    return document


async def document_of(conn: AsyncConnection) -> Mapping[str, object]:
    """The policy as it is, as plain data."""
    now: PolicyDocument = await read_policy(conn)
    follows = {row.name: row for row in await groups.all_groups(conn)}
    return {
        "revision": now.revision,
        "policy": {
            "own_vendors": list(now.own_vendors),
            "response": now.response,
            "lists": [await _list(conn, row) for row in now.lists],
            "groups": [
                {**{k: v for k, v in follows[row.name].plain().items() if v is not None}, "origin": row.origin}
                for row in now.groups
            ],
            "local": {row.name: list(row.given) for row in now.local},
        },
    }


async def _list(conn: AsyncConnection, row: ListRow) -> Mapping[str, object]:
    plain: dict[str, object] = {"name": row.name, "origin": row.origin}
    if not row.enabled:
        plain["enabled"] = False
    if row.kind == "subscription":
        return {**plain, **{name: value for name, value in row.fetching.items() if value not in (None, False)}}
    sides = await rules_of(conn, row)
    return {**plain, **{side: texts for side, texts in sides.items() if texts}}


async def rules_of(conn: AsyncConnection, row: ListRow) -> dict[str, list[str]]:
    """The rules of an own list by action; of the config's lists none, for they are in the file."""
    sides: dict[str, list[str]] = {"block": [], "allow": []}
    if row.content is None:
        async for batch in rules.stream(conn, row.id):
            for action, rule in batch:
                sides[action].append(rule)
    return sides
