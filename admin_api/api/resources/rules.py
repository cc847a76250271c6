"""The rules of a list."""

from __future__ import annotations

import asyncio
import heapq
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel

from admin_api.api import models
from admin_api.api.http.call import MOST_RULES_AT_ONCE, ApiReply, Call, in_force
from admin_api.api.http.paging import cursor_of, place_of
from admin_api.api.resources.lists import own_list
from admin_api.editing.rules import write_rules
from admin_api.store import lists, rules
from admin_api.store.errors import StoreAway
from resolver.config.file_policy import content_path
from resolver.system.state_files import reading

Pair = tuple[str, str]


async def listing(call: Call) -> ApiReply:
    """GET /lists/{name}/rules."""
    query: models.RulesPage = call.query
    place = place_of(query.cursor, str, str)
    after = (str(place[0]), str(place[1])) if place else None
    name = call.path["name"]
    if name in call.context.catalogue.services:
        pairs = (("block", domain.rule.text) for domain in call.context.catalogue.domains_of[name])
        found = _least(pairs, query, after)
    else:
        async with call.context.store.read() as connection:
            row = await lists.get(connection, name)
            if row.content is None:
                found = await rules.page(connection, row, contains=query.contains, limit=query.limit + 1, after=after)
            else:
                path = content_path(call.context.state_dir, row.content)
                found = await asyncio.to_thread(_of_file, path, query, after)
    shown = found[: query.limit]
    items = [models.RuleItem.model_validate({"action": action, "rule": rule}) for action, rule in shown]
    return ApiReply(models.Rules(items=items, next=cursor_of(*shown[-1]) if len(found) > len(shown) else None))


async def add(call: Call) -> ApiReply:
    """POST /lists/{name}/rules."""
    return await _write(call, lambda n, revision: models.Added(added=n, revision=revision))


async def delete(call: Call) -> ApiReply:
    """POST /lists/{name}/rules:batchDelete."""
    return await _write(call, lambda n, revision: models.Deleted(deleted=n, revision=revision), removes=True)


async def _write(call: Call, told: Callable[[int, int], BaseModel], *, removes: bool = False) -> ApiReply:
    block, allow = call.body.get("block", []), call.body.get("allow", [])
    store, name, version = call.context.store, own_list(call), call.expected_version()
    written = await write_rules(
        store, name, removes=removes, block=block, allow=allow, expected_version=version, **call.by
    )
    if len(block) + len(allow) > MOST_RULES_AT_ONCE:
        call.context.policy.changed()
        return ApiReply(models.Accepted(revision=written.revision), 202)
    waited = await in_force(call, written.revision)
    return ApiReply(told(written.changed, written.revision), 200, waited)


def _of_file(path: Path, query: models.RulesPage, after: Pair | None) -> list[Pair]:
    try:
        with reading(path) as file, io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="\n") as lines:
            return _least(((line[:5].rstrip(), line[6:-1]) for line in lines), query, after)
    except OSError as error:
        raise StoreAway(f"the list's rules, {path.name}, cannot be read: {error.strerror}") from error


def _least(pairs: Iterator[Pair], query: models.RulesPage, after: Pair | None) -> list[Pair]:
    """The first pairs behind `after`, in order, without holding them all."""
    contains = (query.contains or "").lower()
    wanted = (pair for pair in pairs if (after is None or pair > after) and contains in pair[1].lower())
    return heapq.nsmallest(query.limit + 1, wanted)
