"""Privacy: what this installation stores of people, for how long, who sees it, and where it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.people import PERSONS
from admin_api.privacy.inventory import StoredData, stored_data
from admin_api.privacy.kinds import DataKind
from admin_api.privacy.receivers import receivers

_NOT_STORED: Final = (
    "Answers in the cache: names and answers, and no clients. They are in memory alone.",
    "Host names of machines at clients' addresses: in memory alone.",
    "Who is signed in to the web pages: in memory alone, until the session ends.",
    "The process's own log (standard output): starts, troubles and changes. It has no queries, but the "
    "addresses of clients who ask on the block page, or are turned away there.",
)


async def show(call: Call) -> ApiReply:
    """GET /privacy."""
    context = call.context
    settings = context.settings
    async with context.store.read() as connection:
        found = await stored_data(connection, Path(settings.state_dir))
    reply = models.PrivacyReply(
        recorded={
            "query_log.enabled": str(settings.query_log).lower(),
            "statistics.enabled": str(settings.statistics).lower(),
            "query_log.clients": settings.clients,
            "query_log.identities": settings.identities,
            "query_log.pseudonyms_found_by": settings.pseudonyms_found_by,
        },
        store=context.store.place,
        kinds=[_told(one, call) for one in found],
        receivers=[models.Receiver(name=one.name, to=one.to, gets=one.gets) for one in receivers(settings)],
        not_stored=list(_NOT_STORED),
    )
    return ApiReply(reply)


def _told(one: StoredData, call: Call) -> models.StoredKind:
    kind = one.kind
    settings = call.context.settings
    return models.StoredKind(
        name=kind.name,
        holds=kind.holds(settings),
        where=_where(kind),
        kept=kind.kept(settings.retention),
        entries=one.entries,
        octets=one.octets,
        since=one.since,
        seen_by=seen_by(kind),
        settings=list(kind.settings),
    )


def _where(kind: DataKind) -> str:
    parts = [] if kind.table is None else [f"store, table {kind.table.name}"]
    return "; ".join([*parts, *(f"state_dir/{pattern}" for pattern in kind.files)])


def seen_by(kind: DataKind) -> str:
    """The sentence that says by which roles the API shows a kind, as the table of persons has it."""
    if not kind.operations:
        return "nobody by the API; who reads the files or the database"
    parts = []
    for operation in kind.operations:
        persons = PERSONS.get(operation)
        parts.append(f"{operation}: viewer" if persons is None else f"{operation}: viewer. {persons.told}")
    return " ".join(parts)
