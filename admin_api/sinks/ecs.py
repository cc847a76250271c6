"""Our fields in the names of the Elastic Common Schema (ECS 8.11). The one place that says which is which.

What has no name there stands below `moatdns`. All of a record but its time, its client and its id is the same for
many rows: it is written once, with gaps for the rest.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from admin_api.store.audit import AuditRow
from resolver import __version__
from resolver.telemetry.pseudonyms import is_pseudonym
from resolver.telemetry.query_block_lines import BlockClient, Facts
from resolver.telemetry.query_blocks import FACTS

VERSION: Final = "8.11.0"

_TYPES: Final[Mapping[str, Sequence[str]]] = {
    # event.type of the category network, by verdict.
    "block": ("protocol", "denied"),
    "refused": ("protocol", "denied"),
    "failed": ("protocol",),
}
_LET_THROUGH: Final = ("protocol", "allowed")
_TRANSPORTS: Final = {"udp": "udp"}  # all other protocols of ours are over TCP
_OURS: Final = ("group", "verdict", "service", "exemption", "protocol", "remark")


def observer(host: str) -> dict[str, str]:
    """Us, as the one that saw it."""
    return {"vendor": "moatdns", "product": "moatdns", "type": "dns", "hostname": host, "version": __version__}


def of_query(name: str, facts: Facts) -> dict[str, object]:
    """A query without its time, its client, its id and its duration; `event` is the last of its keys."""
    said = dict(zip(FACTS, facts, strict=False))
    verdict, protocol = str(said["verdict"]), str(said["protocol"])
    return {
        "dns": {
            "type": "answer",
            "question": _without_gaps(name=name, type=said["type"]),
            **_without_gaps(response_code=said["rcode"]),
        },
        "network": {"protocol": "dns", "transport": _TRANSPORTS.get(protocol, "tcp")},
        **({"rule": _without_gaps(name=said["rule"], ruleset=said["list"])} if said["list"] is not None else {}),
        "moatdns": _without_gaps(**{key: said.get(key) for key in _OURS}),
        "event": {
            **_event("queries", "network", _TYPES.get(verdict, _LET_THROUGH)),
            "action": verdict,
        },
    }


def of_client(client: BlockClient) -> dict[str, object]:
    """The client, as far as the log tells: an address, or what no field for addresses takes, and who it was."""
    found: dict[str, object] = {}
    if client.address:
        source = {"address": client.address}
        if _is_address(client.address):
            source["ip"] = client.address
        found["source"] = source
    if client.identity is not None:
        # The schema has a field of its own for who is told apart, and not named.
        found["user"] = {"hash" if is_pseudonym(client.identity) else "name": client.identity}
    return found


def of_audit(row: AuditRow, stamp: str, host: str) -> dict[str, object]:
    """A row of the audit trail. `before` and `after` are JSON as text: each action has other keys, which would fill an
    index with fields, and be text here and a number there.
    """
    about = {
        "id": row.id,
        "object": row.object,
        "before": _as_text(row.before),
        "after": _as_text(row.after),
        "request_id": row.request_id,
        "mac": row.mac,
    }
    return {
        "@timestamp": stamp,
        "ecs": {"version": VERSION},
        "observer": observer(host),
        "user": {"name": row.actor},
        "moatdns": {"audit": _without_gaps(**about)},
        "event": {
            **_event("audit", "configuration", ("change",)),
            "action": row.action,
            "sequence": row.id,
            "id": f"audit-{row.id}-{row.mac[:16]}",
        },
    }


def _event(of: str, category: str, types: Sequence[str]) -> dict[str, object]:
    about = {"kind": "event", "module": "moatdns", "dataset": f"moatdns.{of}"}
    return {**about, "category": [category], "type": list(types)}


def _without_gaps(**fields: object) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value is not None}


def _as_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
