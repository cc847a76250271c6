"""Reports to read, print and download: who was exempt, what was tried, and what was in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiohttp import web

from admin_api.api import models
from admin_api.api.people import PERSONS
from admin_api.pages.shared import ranges
from admin_api.pages.shared.ranges import Range
from admin_api.pages.shared.visit import Visit
from admin_api.store.roles import INVESTIGATOR

WINDOWS = (
    Range("24h", "last day", 86400, 60),
    Range("7d", "last 7 days", 7 * 86400, 3600),
    Range("30d", "last 30 days", 30 * 86400, 3600),
    Range("90d", "last 90 days", 90 * 86400, 3600),
    Range("365d", "last year", 365 * 86400, 86400),
)
_USUAL = "30d"
_EXEMPTIONS = "GET /reports/exemptions"
BY = (
    ("group,vendor", "group and vendor"),
    ("vendor", "vendor"),
    ("service", "service"),
    ("group", "group"),
    ("list", "list"),
    ("exemption", "exemption"),
    ("identity", "person"),
    ("identity,vendor", "person and vendor"),
    ("exemption,identity", "exemption and person"),
)
STEPS = (("", "the whole time"), ("86400", "day by day"), ("604800", "week by week"))
_MOST_ROWS = 2000  # of a page; the download has all
_KINDS = ("blocked", "monitored", "exempted")


async def first(visit: Visit) -> web.StreamResponse:
    """GET /reports."""
    return visit.go("/reports/exemptions")


async def exemptions(visit: Visit) -> web.StreamResponse:
    """GET /reports/exemptions."""
    chosen = _chosen(visit)
    query = {**_asked(chosen), **visit.reason_to_rank(_EXEMPTIONS)}
    report: models.ExemptionReport | None = await visit.ask_or_tell(_EXEMPTIONS, query)
    items = [] if report is None else report.items
    return visit.render(
        "reports/report_exemptions.html",
        **_facts(chosen, report, items),
        can_look="reason" not in query and visit.may(INVESTIGATOR),
        used=None if any(item.uses is None for item in items) else sum(1 for item in items if item.uses),
        stale=sum(1 for item in items if item.stale),
    )


async def usage(visit: Visit) -> web.StreamResponse:
    """GET /reports/usage."""
    chosen = _chosen(visit)
    report: models.UsageReport | None = await visit.ask_or_tell("GET /reports/usage", _asked(chosen))
    items = [] if report is None else report.items
    return visit.render(
        "reports/report_usage.html",
        **_facts(chosen, report, items),
        total={kind: sum(n for item in items if isinstance(n := item[kind], int)) for kind in _KINDS},
        kinds=_KINDS,
        columns=[] if report is None else report.by,
        choices=[one for one in BY if not _is_of_persons(one[0]) or visit.sees_persons("GET /reports/usage")],
        steps=STEPS,
    )


async def evidence(visit: Visit) -> web.StreamResponse:
    """GET /reports/evidence."""
    chosen = _chosen(visit)
    report: models.SignedEvidence | None = await visit.ask_or_tell("GET /reports/evidence", _of_evidence(chosen))
    groups: models.Groups = await visit.ask("GET /groups", query={"limit": 1000})
    return visit.render(
        "reports/report_evidence.html", **_facts(chosen, report, ()), groups=[group.name for group in groups.items]
    )


async def evidence_file(visit: Visit) -> web.StreamResponse:
    """GET /reports/evidence.json: the signed file."""
    return visit.pass_on(await visit.call("GET /reports/evidence", query=_of_evidence(_chosen(visit))))


def _of_evidence(chosen: dict[str, str]) -> dict[str, str]:
    """The query of evidence: a window, and a group where one is chosen."""
    group = {"group": chosen["group"]} if "group" in chosen else {}
    return {name: value for name, value in _asked(chosen).items() if name in ("from", "to")} | group


async def csv(visit: Visit) -> web.StreamResponse:
    """GET /reports/exemptions.csv and /reports/usage.csv."""
    operation = f"GET {visit.address.removesuffix('.csv')}"
    reason = visit.reason_to_rank(operation) if operation == _EXEMPTIONS else {}
    query = {**_asked(_chosen(visit)), **reason, "format": "csv"}
    return visit.pass_on(await visit.call(operation, query=query))


def _is_of_persons(by: str) -> bool:
    return not PERSONS["GET /reports/usage"].asks["by"].isdisjoint(by.split(","))


def _chosen(visit: Visit) -> dict[str, str]:
    """The query parameters that the form has fields for, and whether persons are to be shown beside others."""
    return visit.filters(("range", "from", "to", "by", "step", "group", "persons"))


def _asked(chosen: dict[str, str]) -> dict[str, str]:
    """The same as the API takes it. Days are those of UTC, and `to` is the last day that belongs to the report."""
    asked = {"by": chosen.get("by"), "step_seconds": chosen.get("step")}
    if "from" in chosen or "to" in chosen:
        asked |= {"from": _midnight(chosen.get("from")), "to": _midnight(chosen.get("to"), days=1)}
    else:
        start = _window(chosen).start()
        if "step" in chosen:  # whole days and weeks, the last one up to now
            start = start.replace(hour=0, minute=0)
        asked["from"] = start.isoformat()
    return {name: value for name, value in asked.items() if value is not None}


def _midnight(text: str | None, *, days: int = 0) -> str | None:
    """A day's beginning, or what was written instead: the API says what is wrong with it."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except (ValueError, OverflowError):
        return text
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat()


def _is_day(text: str) -> bool:
    """Whether a field for a day can show it."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _window(chosen: dict[str, str]) -> Range:
    return ranges.chosen(chosen, _USUAL, WINDOWS)


def _facts(chosen: dict[str, str], report: Any, items: Sequence[Any]) -> dict[str, object]:
    is_dated = "from" in chosen or "to" in chosen
    return {
        "chosen": chosen,
        "days": {name: text for name in ("from", "to") if _is_day(text := chosen.get(name, ""))},
        "window": None if is_dated else _window(chosen).key,
        "windows": WINDOWS,
        "report": report,
        "items": items[:_MOST_ROWS],
        "count": len(items),
        "made_at": datetime.now(UTC),
    }
