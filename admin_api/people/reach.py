"""Copies of what was kept of a person that an erasure does not reach, each in a finished sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.people.person import Person, names_in
from admin_api.store import exemptions, pauses
from admin_api.store.audit_texts import rows_naming
from admin_api.store.tables import groups, tokens
from resolver.config.settings import ControlSettings

_MOST_NAMED: Final = 20
_COPIES = ("before-*", "lost-*")  # in the state directory: of the store before an upgrade, of what a restore set aside


async def out_of_reach(conn: AsyncConnection, person: Person, settings: ControlSettings, *, shared: bool) -> list[str]:
    """Sentences on what still has the person. `shared`: the store is a PostgreSQL's."""
    names = names_in(person)
    found = ["backups made until now: `moatdns restore` erases again; delete those that are not needed"]
    found += _copies(Path(settings.state_dir))
    if settings.log_sinks:
        found.append(f"what the {len(settings.log_sinks)} log sinks were sent (log_sinks, audit.syslog)")
    if settings.webhooks:
        found.append(f"what the {len(settings.webhooks)} webhooks were sent")
    if settings.mail is not None:
        found.append("mails that were sent")
    if shared:
        found.append("the database's own files, logs, copies and replicas, until VACUUM FULL and their time is over")
    c = groups.c
    rows = await conn.execute(select(c.name, c.description, c.client_names).order_by(c.name))
    told = {
        "groups that name them (client names, description), and earlier revisions of these": [
            row.name for row in rows if names([row.description, row.client_names])
        ],
        "running pauses whose reason names them: erase again when these have ended": [
            row.id for row in await pauses.all_pauses(conn) if names(row.reason)
        ],
        "tokens of theirs, and what was done with these": [
            row.name for row in await conn.execute(select(tokens.c.name, tokens.c.owner)) if names([*row])
        ],
        "exemptions for others that name them: erase again when these have ended": [
            row.id for row in await exemptions.opened(conn) if names([row.plain(), row.requested_owner])
        ],
        "audit rows that have the name in the chain itself, and the policy's revisions of then": [
            str(number) for number in await rows_naming(conn, min(person.spellings))
        ],
    }
    return found + [f"{what}: {_some(which)}" for what, which in told.items() if which]


def _copies(state_dir: Path) -> list[str]:
    found = sorted(path.name for pattern in _COPIES for path in state_dir.glob(pattern))
    return [f"older copies in the state directory, which are yours to delete: {_some(found)}"] if found else []


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
