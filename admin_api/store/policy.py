"""The policy as the store holds it: all that is compiled, but the rules."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import documents, groups, lists, local_names
from admin_api.store.columns import canonical, iso_text
from admin_api.store.groups import GroupRow
from admin_api.store.lists import ListRow
from admin_api.store.local_names import LocalNameRow
from admin_api.store.states import KeptFilePolicy, ResponseState
from admin_api.store.tables import meta

FILE_POLICY: Final = "file_policy"
"""The document that holds what the config file says of the policy besides lists and groups."""

DEFAULT_GROUP: Final = "default"
DEFAULT_BLOCK: Final = ("ai", "bypass", "lists")
DEFAULT_RESPONSE: Final[ResponseState] = {"mode": "zero-ip", "ttl_seconds": 10, "ipv4": None, "ipv6": None}


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """The whole policy of one revision. Each group's `block` is filled in: none is None."""

    revision: int
    own_vendors: tuple[str, ...]
    response: ResponseState
    lists: tuple[ListRow, ...]
    groups: tuple[GroupRow, ...]
    local: tuple[LocalNameRow, ...] = ()

    def fingerprint(self) -> str:
        """Digest of the policy, rules included: equal policies of one store have equal ones."""
        content = [
            list(self.own_vendors),
            self.response,
            [[row.key, row.kind, row.origin, row.enabled, row.content or row.rules_revision] for row in self.lists],
            [
                [
                    *(row.name, row.networks, row.exempt, row.mode, row.block, row.allow, row.response, row.schedule),
                    *(
                        row.client_names,
                        row.monitor,
                        None if row.monitor_until is None else iso_text(row.monitor_until),
                    ),
                ]
                for row in self.groups
            ],
        ]
        if self.local:
            content.append([[row.name, row.given] for row in self.local])
        return hashlib.sha256(canonical(content).encode()).hexdigest()


async def revision(conn: AsyncConnection) -> int:
    """The policy's revision."""
    return int(await conn.scalar(select(meta.c.policy_revision)) or 0)


async def read_file_policy(conn: AsyncConnection) -> KeptFilePolicy:
    """The config file's part of the policy besides lists and groups; empty before the first."""
    return cast(KeptFilePolicy, await documents.get(conn, FILE_POLICY) or {})


async def read_policy(conn: AsyncConnection) -> PolicyDocument:
    """The policy as that connection sees it."""
    of_file = await read_file_policy(conn)
    all_groups = await groups.all_groups(conn)
    default = next((row.block for row in all_groups if row.name == DEFAULT_GROUP), None)
    block = DEFAULT_BLOCK if default is None else default
    return PolicyDocument(
        revision=await revision(conn),
        own_vendors=tuple(of_file.get("own_vendors", ())),
        response=of_file.get("response") or DEFAULT_RESPONSE,
        lists=tuple(await lists.all_lists(conn)),
        groups=tuple(row if row.block is not None else dataclasses.replace(row, block=block) for row in all_groups),
        local=tuple(await local_names.all_names(conn)),
    )
