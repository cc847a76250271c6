"""The roll-out: how far each group is, and who would be hit if what it watches were enforced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.resources.statistics import window
from admin_api.child_process import in_child
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.forecast.counting import CountedLog, GroupCount
from admin_api.forecast.kept_counts import AskedCount, TimedCount
from admin_api.forecast.messages import FORECAST_CHANNEL, CountLog
from admin_api.forecast.stages import MOST_ROWS, WATCH_DAYS, GroupStage, stage_of
from admin_api.forecast.unwatched import unwatched
from admin_api.query_log.shown import Shown
from admin_api.store import audit, change_requests, groups
from admin_api.store.groups import GroupRow
from admin_api.store.policy import DEFAULT_GROUP
from resolver.config.notes import group_notes
from resolver.config.settings import Clients
from resolver.errors import MoatdnsError

USUAL: Final = timedelta(days=WATCH_DAYS)
"""Time that a forecast looks back."""
_LONGEST: Final = timedelta(days=92)
_CHILD: Final = "admin_api.forecast.child"
_NO_LOG: Final = "query_log.enabled is false: there are no names and no clients to forecast by"
_OLD_DAYS: Final = "the query log begins on {day}: what was asked before is not in this forecast"
_HIDDEN: Final = "query_log.clients: hidden: how many clients would be hit is not known"
_PSEUDONYMS: Final = "query_log.clients: pseudonym: a client is counted once in each period (query_log.pseudonym_days)"
_NETWORKS: Final = "query_log.clients: network: numbers of clients are numbers of networks"

_LESS: Final = {"hidden": _HIDDEN, "network": _NETWORKS, "pseudonym": _PSEUDONYMS}
"""Reasons by `query_log.clients`, where that is less than all."""


async def show(call: Call) -> ApiReply:
    """GET /reports/forecast."""
    query: models.ForecastQuery = call.query
    context = call.context
    start, end = window(query, USUAL)
    if end - start > _LONGEST:
        raise Invalid([("/from", f"a forecast looks back at most {_LONGEST.days} days")])
    async with context.store.read() as connection:  # NotFound where there is no such group
        asked = [await groups.get(connection, query.group)] if query.group else await groups.all_groups(connection)
        stages = await _stages(connection, asked, datetime.now(UTC))
    counted = CountedLog([], None, [_NO_LOG])
    if context.settings.query_log:
        timed = await _counted(call, start, end)
        start, end, counted = timed.start, timed.end, timed.counted
    on_node = (await context.statistics.summary(start, end))["clients"] if context.settings.statistics else None
    kept, shown = context.settings.clients, Shown(context.settings.clients, context.settings.identities)
    return ApiReply(
        models.Forecast(
            start=start,
            end=end,
            log_since=counted.first_day,
            clients_are=cast(Clients, kept),
            groups=[_group(one, on_node, shown, has_clients=kept != "hidden") for one in counted.groups],
            cannot_show=[
                *counted.lacks,
                *_lacks(call, start, counted),
                *unwatched(stages, start, end, is_one=query.group is not None),
            ],
        )
    )


async def _counted(call: Call, start: datetime, end: datetime) -> TimedCount:
    """Count the log of a time, or give the count of when the same was asked a moment ago. Raises BadRequest (503)."""
    query: models.ForecastQuery = call.query
    context, kept = call.context, call.context.forecast_counts
    asked = AskedCount(context.policy.revision, context.erasures.steps, query.group, query.start, query.end)
    if (found := kept.find(asked)) is not None:
        return found
    order = CountLog(context.state_dir, start.timestamp(), end.timestamp(), query.group)
    async with context.plans.turn():
        try:
            counted = await in_child(_CHILD, FORECAST_CHANNEL, order, MoatdnsError, "the forecast")
        except MoatdnsError as error:
            raise BadRequest(503, str(error), Retry_After="5") from None
    context.unreadable_blocks.note_all(counted.unreadable)
    made = TimedCount(start, end, counted)
    if counted.groups:  # else the watch has just begun, and somebody waits for its first queries
        kept.keep(asked, made)
    return made


async def roll_out(call: Call) -> ApiReply:
    """GET /reports/roll-out."""
    context, now = call.context, datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ever: set[str] = set()
    lately = {kind: Counter[str]() for kind in ("monitored", "blocked")}
    if context.settings.statistics:
        start, end, day = today - _LONGEST, now + timedelta(seconds=1), 86400
        for hits in await context.statistics.breakdown("group", start, end, day):
            if hits["rest"]:
                continue
            ever.add(hits["key"])
            if hits["at"] >= today - USUAL:
                lately["monitored"][hits["key"]] += hits["monitored"]
                lately["blocked"][hits["key"]] += hits["blocked"]
    items = []
    async with context.store.read() as connection:
        waits = await change_requests.waiting_for_groups(connection, now)
        rows = await groups.all_groups(connection)
        stages = await _stages(connection, rows, now, ever)
        for row in rows:
            stage = stages[row.name]
            counts = lately["monitored"][row.name], lately["blocked"][row.name]
            notes = list(group_notes(row, now, takes_certificates=context.serves.takes_certificates))
            items.append(_item(row, stage, *counts, notes, waits.get(row.name)))
    return ApiReply(models.RollOut(items=items, watch_days=WATCH_DAYS))


async def _stages(
    connection: AsyncConnection, rows: Sequence[GroupRow], now: datetime, ever: Container[str] = ()
) -> dict[str, GroupStage]:
    """Stages by name of group; `ever`: groups that met a listed name."""
    of_default = await audit.page(connection, limit=MOST_ROWS, object=f"groups/{DEFAULT_GROUP}")
    found = {}
    for row in rows:
        trail = await audit.page(connection, limit=MOST_ROWS, object=f"groups/{row.name}")
        found[row.name] = stage_of(row, trail, now, has_hits=row.name in ever, of_default=of_default)
    return found


def _item(
    row: GroupRow, stage: GroupStage, monitored: int, blocked: int, notes: list[str], waits: str | None
) -> models.RollOutGroup:
    if stage.stage == "enforced" and not stage.watched_before:
        notes.append("it was enforced without a watch: nobody knows who is hit")
    if stage.began_anew:
        notes.append("what is watched was changed then (its mode, block, allow or monitor, or the block of default)")
    if stage.stage == "not begun":
        notes.append("nobody in it has asked for a listed name yet; its policy is in force for whoever does")
    return models.RollOutGroup(
        name=row.name,
        origin=row.origin,
        version=row.version,
        state=stage.stage,
        since=stage.since,
        until=row.monitor_until,
        watches=list(row.monitor),
        monitored=monitored,
        blocked=blocked,
        waits=waits,
        notes=notes,
    )


def _lacks(call: Call, start: datetime, counted: CountedLog) -> list[str]:
    settings = call.context.settings
    found = []
    if settings.query_log and counted.first_day is not None and counted.first_day > start.date().isoformat():
        found.append(_OLD_DAYS.format(day=counted.first_day))
    if settings.clients in _LESS:
        found.append(_LESS[settings.clients])
    return found


def _group(one: GroupCount, on_node: int | None, shown: Shown, *, has_clients: bool) -> models.ForecastGroup:
    def known(count: int) -> int | None:
        return count if has_clients else None

    seen = one.seen if one.holds_all else on_node
    share = min(1.0, round(one.clients / seen, 4)) if has_clients and seen else None
    likely = [each for each in one.services if each.regular and each.service]
    return models.ForecastGroup(
        group=one.group,
        queries=one.queries,
        blocked=one.blocked,
        exempted=one.exempted,
        clients=models.ForecastClients(
            hit=known(one.clients),
            seen=seen if has_clients else None,
            seen_in="group" if one.holds_all else "node",
            share=share,
        ),
        services=[
            models.ForecastService(
                service=each.service,
                list=each.list,
                queries=each.queries,
                clients=known(each.clients),
                regular_clients=known(each.regular),
            )
            for each in one.services
        ],
        names=[
            models.ForecastName(
                name=each.name, service=each.service, list=each.list, queries=each.queries, clients=known(each.clients)
            )
            for each in one.names
        ],
        names_left_out=one.names_left_out,
        top_clients=[
            models.ForecastTop(client=each.client, queries=each.queries, services=each.services)
            for each in one.top
            if shown.shows(each.client)
        ],
        requests=[
            models.ForecastRequest(scope=each.service or "", clients=each.regular, queries=each.queries)
            for each in sorted(likely, key=lambda each: (-each.regular, -each.queries))
        ],
    )
