"""All that a change does, so that what is approved is what was asked for and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from admin_api.second_owner.openings import Entry
from admin_api.store.change import Change
from admin_api.store.change_requests import ChangeTold, Finding
from admin_api.store.columns import canonical
from admin_api.store.rules import of_revision
from admin_api.store.states import UNWATCHED

_MOST_TOLD = 64 << 10  # octets of JSON; beyond, what was changed is told, not how
_PASSING: Final = {
    # Facts of a moment, or made anew by each try, that do not make it another change.
    "lists": ("rules",),
    "tokens": ("id", "expires_at"),
    "pauses": ("id", "expires_at"),
    "people": ("ends_at",),
}


async def finding(change: Change, opens: list[str]) -> Finding:
    """Return the effects of a change, once all of it is written."""
    digest = hashlib.sha256()
    told: list[ChangeTold] = []
    for audited in change.entries:
        entry = Entry.of(audited)
        name = "" if entry.kind == "pauses" else entry.name
        states = [_lasting(entry.kind, state) for state in (entry.before, entry.after)]
        digest.update(canonical([entry.action, entry.kind, name, *states]).encode())
        told.append({"action": entry.action, "object": audited.object, "before": entry.before, "after": entry.after})
    for before, after in change.leased:
        facts = [None if row is None else (row.address, row.identity, row.group) for row in (before, after)]
        digest.update(canonical(facts).encode())
        row = after if after is not None else before
        if row is not None:
            was, will = ({"identity": f[1], "group": f[2]} if f is not None else None for f in facts)
            told.append({"action": "lease", "object": f"leases/{row.address}", "before": was, "after": will})
    async for sign, piece in of_revision(change.connection, change.revision, in_order=True):
        digest.update(canonical([[sign, *row] for row in piece]).encode())
    if len(json.dumps(told)) > _MOST_TOLD:
        told = [{**one, "before": None, "after": None} for one in told[:200]]
    return Finding(tuple(opens), told, digest.hexdigest())


def _lasting(kind: str, state: Mapping[str, object] | None) -> Mapping[str, object] | None:
    if state is None:
        return None
    # A field that says nothing is left out, so that a request of the version before it is the same change still.
    unsaid = UNWATCHED if kind == "groups" else {}
    return {
        key: value
        for key, value in state.items()
        if key not in _PASSING.get(kind, ()) and not (key in unsaid and value == unsaid[key])
    }
