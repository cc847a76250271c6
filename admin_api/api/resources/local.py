"""Local names: what the config and its hosts files give, and those that are made here."""

from __future__ import annotations

from dataclasses import dataclass

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, in_force, tagged
from admin_api.api.http.paging import cursor_of, part_of
from admin_api.editing.local_names import delete_local_name, normal_name, put_local_name
from admin_api.editing.refusals import BadRequest
from admin_api.store import local_names
from admin_api.store.errors import NotFound
from admin_api.store.local_names import LocalNameRow
from resolver.errors import RuleError
from resolver.wire.local_records import LocalRecord


async def listing(call: Call) -> ApiReply:
    """GET /local."""
    query: models.LocalNamesPage = call.query
    after = part_of(query.cursor, str)
    wanted = (query.contains or "").lower()
    names = await _Names.of(call)
    rows = sorted(
        (record for record in names.all if (after is None or record.name > after) and _has(record, wanted)),
        key=lambda record: record.name,
    )
    shown = rows[: query.limit]
    following = cursor_of(shown[-1].name) if len(rows) > len(shown) else None
    seconds = call.context.access.local_ttl_seconds
    return ApiReply(
        models.LocalNameItems(items=[names.item(one) for one in shown], next=following, ttl_seconds=seconds)
    )


async def show(call: Call) -> ApiReply:
    """GET /local/{name}."""
    names, name = await _Names.of(call), normal_name(call.path["name"])
    record = next((one for one in names.all if one.name == name), None)
    if record is None:
        raise NotFound(f"local name {name!r}")
    row = names.rows.get(name)
    return tagged(names.item(record), row.version) if row is not None else ApiReply(names.item(record))


async def put(call: Call) -> ApiReply:
    """PUT /local/{name}."""
    _check_role(call)
    written = await put_local_name(
        call.context.store,
        call.path["name"],
        {key: value for key, value in call.body.items() if value is not None},
        of_config=call.context.access.local_names.of_config,
        most=call.context.settings.most_local_names,
        expected_version=call.expected_version(),
        **call.by,
    )
    waited = await in_force(call, written.revision)
    item = (await _Names.of(call)).item(written.row.record)
    if not written.is_new:
        return tagged(item, written.row.version, waited)
    return tagged(item, written.row.version, {"Location": f"/api/v1/local/{written.row.name}", **waited}, 201)


async def delete(call: Call) -> ApiReply:
    """DELETE /local/{name}."""
    _check_role(call)
    revision = await delete_local_name(
        call.context.store,
        call.path["name"],
        of_config=call.context.access.local_names.of_config,
        expected_version=call.expected_version(),
        **call.by,
    )
    return ApiReply(None, 204, await in_force(call, revision))


def _check_role(call: Call) -> None:
    """Raise BadRequest (403) for a name of others, where neither an admin nor a second owner stands behind it."""
    if call.context.terms.four_eyes or call.is_admin:
        return
    try:
        is_own = call.context.access.own_names.has(normal_name(call.path["name"]))
    except RuleError:
        return  # what is no name is told with its place
    if not is_own:
        why = "is not below a domain of your own (upstream.zones, upstream.private_names): this needs the role admin"
        raise BadRequest(403, f"{call.path['name']!r} {why}; your token has {', '.join(call.roles)}")


@dataclass(frozen=True, slots=True)
class _Names:
    """All local names, of which the config's are in force where both have one; and what is in force now."""

    all: tuple[LocalRecord, ...]
    rows: dict[str, LocalNameRow]
    of_config: frozenset[str]
    canonical: dict[str, str]

    @classmethod
    async def of(cls, call: Call) -> _Names:
        config, snapshot = call.context.access.local_names, call.context.policy.snapshot
        async with call.context.store.read() as connection:
            rows = {row.name: row for row in await local_names.all_names(connection)}
        of_config = frozenset(record.name for record in config.of_config)
        own = (row.record for name, row in rows.items() if name not in of_config)
        given = config.given if snapshot is None else config.prepared(snapshot.local)
        return cls((*config.of_config, *own), rows, of_config, {} if given is None else given.canonical)

    def item(self, record: LocalRecord) -> models.LocalNameItem:
        return models.LocalNameItem(
            name=record.name,
            addresses=list(record.addresses),
            alias=record.alias or None,
            reverse_of=[address for address in record.addresses if self.canonical.get(address) == record.name],
            origin="file" if record.name in self.of_config else "api",
            where=record.origin,
            replaces_api=record.name in self.of_config and record.name in self.rows,
            version=self.rows[record.name].version if record.name in self.rows else 0,
        )


def _has(record: LocalRecord, text: str) -> bool:
    return not text or any(text in one for one in (record.name, record.alias, *record.addresses))
