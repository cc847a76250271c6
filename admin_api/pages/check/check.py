"""Check a name: what becomes of it for a client, drawn as the way that a query goes, and from there to an exemption."""

from __future__ import annotations

from aiohttp import web

from admin_api.api import models
from admin_api.pages.exemptions.exemption_choices import DURATIONS, TWO_HOURS, stays_closed
from admin_api.pages.shared.visit import Visit

TYPES = ("A", "AAAA", "HTTPS", "CNAME", "MX", "TXT", "SRV", "ANY")
_HITS = ("block", "monitor")


_STATIONS = (  # parts of a query's way, each with the steps of a trace that belong to it
    ("Who asks", ("access", "lease", "client name", "network", "group")),
    ("What the rules say", ("type", "local", "rule", "decision")),
    ("What makes an exception", ("exempt", "exemption", "schedule", "pause", "mode", "watch")),
    ("What is answered", ("response",)),
)


async def show(visit: Visit) -> web.StreamResponse:
    """GET /check."""
    asked = visit.filters(("name", "client", "client_name", "at"))
    name, client = asked.get("name", ""), asked.get("client", "")
    qtype = visit.said("type").upper() or "A"
    explained: models.Explained | None = None
    if name:
        explained = await visit.ask_or_tell("GET /explain", {**asked, "type": qtype})
    is_hit = explained is not None and explained.verdict in _HITS and explained.at is None
    is_closed = explained is not None and stays_closed(explained.service)
    return visit.render(
        "check/check.html",
        name=name,
        client=client,
        qtype=qtype,
        client_name=visit.query.get("client_name", ""),
        at=asked.get("at", ""),
        types=TYPES if qtype in TYPES else (*TYPES, qtype),
        explained=explained,
        way=[] if explained is None else way_of(explained.trace),
        scopes=[] if explained is None else scopes_of(explained),
        can_exempt=is_hit and not is_closed and visit.may_do("POST /exemptions"),
        stays_closed=is_hit and is_closed,
        durations=DURATIONS,
        two_hours=TWO_HOURS,
    )


def way_of(trace: list[dict[str, str]]) -> list[tuple[str, list[dict[str, str]]]]:
    """The stations of a trace, each with its steps; those without any are left out."""
    way = [(label, [step for step in trace if step["step"] in its]) for label, its in _STATIONS]
    return [(label, steps) for label, steps in way if steps]


def scopes_of(explained: models.Explained) -> list[tuple[str, str]]:
    """Scopes that an exemption for this name may have, the narrowest first: scope and its label."""
    scopes: list[tuple[str, str]] = []
    if explained.service and explained.service == explained.list:
        vendor = explained.service.partition("/")[0]
        scopes += [(explained.service, f"the service {explained.service}"), (vendor, f"all of {vendor}")]
    elif explained.list:
        scopes.append((explained.list, f"the list {explained.list}"))
    return [*scopes, (explained.name.rstrip("."), f"only the name {explained.name.rstrip('.')} and all below it")]
