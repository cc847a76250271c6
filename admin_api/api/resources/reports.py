"""Reports for those who have to show that the policy held: who was exempt, and what was tried. JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, rfc3339
from admin_api.api.resources.statistics import check_steps, window
from admin_api.editing.errors import Invalid
from admin_api.statistics.figures import KeyStepHits
from admin_api.store import exemptions
from admin_api.store.exemptions import ExemptionRow
from resolver.system.safe_text import cell

CSV = "text/csv; charset=utf-8"
_DAYS = timedelta(days=30)
_BY = {
    "group": ("group",),
    "vendor": ("vendor",),
    "service": ("service",),
    "list": ("list",),
    "exemption": ("exemption",),
    "identity": ("identity",),
    "group,vendor": ("group", "vendor"),
    "identity,vendor": ("identity", "vendor"),
    "exemption,identity": ("exemption", "identity"),
}
_KINDS = ("blocked", "monitored", "exempted")
_MOST_STEPS = 1000


async def exemption_report(call: Call) -> ApiReply:
    """GET /reports/exemptions."""
    query: models.ExemptionsQuery = call.query
    start, end = window(query, _DAYS)
    async with call.context.store.read() as connection:
        rows = await exemptions.touching(connection, start, end)
    uses = {item["key"]: item for item in await call.context.statistics.breakdown("exemption", start, end, None)}
    persons = await _uses_by(call, start, end)
    items = [_use(row, uses.get(row.id), persons.get(row.id, []), end) for row in rows]
    report = models.ExemptionReport(start=start, end=end, items=items)
    if query.format == "json":
        return ApiReply(report)
    return _csv(report, list(models.ExemptionUse.model_fields), "exemptions")


async def _uses_by(call: Call, start: datetime, end: datetime) -> dict[str, list[models.PersonUse]]:
    """Uses by whom, by the exemption's id, those with most first."""
    found: dict[str, list[models.PersonUse]] = {}
    for item in await call.context.statistics.breakdown("exemption/identity", start, end, None):
        if not item["rest"] and item["exempted"]:
            number, identity = item["key"].split("/", 1)
            found.setdefault(number, []).append(models.PersonUse(identity=identity, uses=item["exempted"]))
    for persons in found.values():
        persons.sort(key=lambda one: (-one.uses, one.identity))
    return found


async def usage_report(call: Call) -> ApiReply:
    """GET /reports/usage."""
    query: models.UsageQuery = call.query
    by = _BY.get(",".join(sorted(part.strip() for part in query.by.split(","))))
    if by is None:
        raise Invalid([("/by", f"{query.by!r} is not known: use one of {'; '.join(_BY)}")])
    start, end = window(query, _DAYS)
    step = query.step_seconds
    if step is not None:
        check_steps(start, end, step, _MOST_STEPS)
    found = await call.context.statistics.breakdown("/".join(by), start, end, step)
    items: list[dict[str, object]] = [
        {
            "at": rfc3339(item["at"]),
            **_parts(by, item),
            "blocked": item["blocked"],
            "monitored": item["monitored"],
            "exempted": item["exempted"],
            "rest": item["rest"],
        }
        for item in found
    ]
    usage = models.UsageReport(start=start, end=end, by=list(by), items=items)
    return ApiReply(usage) if query.format == "json" else _csv(usage, ["at", *by, *_KINDS, "rest"], "usage")


def _parts(by: tuple[str, ...], item: KeyStepHits) -> dict[str, str]:
    """Split a key by dimension; the sum of all that are not counted apart is `other` in each."""
    key = item["key"]
    if item["rest"]:
        return dict.fromkeys(by, key)
    # An identity may have a slash; neither a vendor has one, nor a group, nor an exemption.
    parts = key.split("/", 1) if by[-1] == "identity" else key.rsplit("/", 1)
    return dict(zip(by, parts if len(by) > 1 else [key], strict=True))


def _use(
    row: ExemptionRow, used: KeyStepHits | None, persons: list[models.PersonUse], end: datetime
) -> models.ExemptionUse:
    count = used["exempted"] if used else 0
    until = min(end, row.ended_at or datetime.now(UTC))
    was_in_force = row.decided_by is not None and row.status != "denied" and row.starts_at < until
    return as_model(
        models.ExemptionUse,
        row,
        subject=f"{row.kind} {', '.join(row.who)}",
        scope=", ".join(row.scope),
        uses=count,
        uses_by=persons,
        last_used_at=_last_used(row, used["last_at"], until) if used else None,
        stale=was_in_force and count == 0,
    )


def _last_used(row: ExemptionRow, counted: datetime, until: datetime) -> datetime:
    """When it was used last. Counts are kept by the begin of a minute, an hour or a day, which may be before its own.

    A use is counted soon after it happened, so that a count may stand behind an exemption's end, too.
    """
    return max(min(counted, until), row.starts_at)


def _csv(report: models.ExemptionReport | models.UsageReport, columns: Sequence[str], name: str) -> ApiReply:
    """A report's items as CSV; the model is what goes through all that calls go through."""

    def written(report: models.ExemptionReport | models.UsageReport) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(columns)
        for item in report.model_dump(mode="json")["items"]:
            writer.writerow([_cell(item.get(column)) for column in columns])
        return out.getvalue().encode()

    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return ApiReply(report, 200, headers, content_type=CSV, written=written)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):  # of persons: "ana 3, ben 1"
        value = ", ".join(" ".join(map(str, one.values())) for one in value)
    return cell(value) if isinstance(value, str) else value
