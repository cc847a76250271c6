"""The form of a group: what its fields show, and what is sent to the API of what was typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from admin_api.api import models
from admin_api.editing.errors import Invalid
from admin_api.pages.shared.references import SET_LABELS, chosen_in, chosen_of, named
from admin_api.pages.shared.visit import Visit
from resolver.config.schedule import ScheduleSection
from resolver.policy.schedules import DAYS

DAY_LABELS = tuple(zip(DAYS, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))
RESPONSE_MODES = (
    ("", "as the policy says"),
    ("zero-ip", "zero-ip: 0.0.0.0 and ::"),
    ("nxdomain", "nxdomain: the name does not exist"),
    ("nodata", "nodata: the name has no address"),
    ("refused", "refused: REFUSED"),
    ("address", "address: the addresses below"),
)
MODES = (("enforce", "Enforce: block names by the policy"), ("monitor", "Only monitor: count, and block nothing"))
_MOST_WINDOWS = 100
_SPARE = 2  # empty windows to fill in
_TWO_WEEKS = timedelta(days=14)
_RESPONSE = (("mode", "response_mode"), ("ttl_seconds", "ttl_seconds"), ("ipv4", "ipv4"), ("ipv6", "ipv6"))


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A window of the week, as its fields show it."""

    days: frozenset[str] = frozenset()
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class GroupForm:
    """Values of the fields that are no plain text: windows, and the choice for each reference."""

    windows: tuple[WindowRow, ...]
    chosen: Mapping[str, str]
    follows: bool
    monitor_until: str


def shown(visit: Visit, group: models.GroupItem | None) -> GroupForm:
    """The group's values; or those that were sent, where they were refused."""
    if visit.problem is not None and visit.form:
        windows = list(_typed_windows(visit))
        chosen, follows, until = chosen_in(visit.form), "follows" in visit.form, visit.text("monitor_until")
    elif group is None:
        windows, chosen, follows, until = [], {}, True, ""
    else:
        kept = ScheduleSection.model_validate(group.schedule).windows if group.schedule else ()
        windows = [WindowRow(frozenset(window.days), window.start, window.end) for window in kept]
        named_in = {"block": group.block or (), "monitor": group.monitor, "allow": group.allow}
        chosen, follows, until = chosen_of(named_in), group.block is None, iso_text(group.monitor_until)
        watch = visit.query.get("watch", "")  # of a link that proposes it
        if watch in SET_LABELS and watch not in chosen:
            chosen[watch] = "monitor"
            until = iso_text((datetime.now(UTC) + _TWO_WEEKS).replace(minute=0, second=0, microsecond=0))
    return GroupForm((*windows, *[WindowRow()] * _SPARE), chosen, follows, until)


def iso_text(at: datetime | None) -> str:
    """A time as the field has it."""
    return "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read(visit: Visit) -> dict[str, object]:
    """The form as a body of PATCH /groups/{name}: null where a field is empty. Raises Invalid."""
    chosen = chosen_in(visit.form)
    block: list[str] | None = named(chosen, "block")
    if "follows" in visit.form:
        if block:
            why = f"names {', '.join(block[:5])} in addition to the default: clear the checkbox, or remove these"
            raise Invalid([("/block", why)])
        block = None
    return {
        "description": visit.text("description"),
        "networks": visit.lines("networks"),
        "client_names": visit.whole_lines("client_names"),
        "exempt": "exempt" in visit.form,
        "mode": visit.text("mode") or "enforce",
        "block": block,
        "monitor": named(chosen, "monitor"),
        "monitor_until": visit.text("monitor_until") or None,
        "allow": named(chosen, "allow"),
        "response": _response(visit),
        "schedule": _schedule(visit),
    }


def without_nothing(body: Mapping[str, object]) -> dict[str, object]:
    """The body of POST /groups: what is null is left out, at all depths."""
    return {
        key: without_nothing(value) if isinstance(value, Mapping) else value
        for key, value in body.items()
        if value is not None
    }


def _response(visit: Visit) -> dict[str, object] | None:
    typed = {name: visit.text(field) or None for name, field in _RESPONSE}
    if typed["mode"] is None:
        if any(typed.values()):
            raise Invalid([("/response/mode", "is the policy's: choose one, or leave TTL and addresses empty")])
        return None
    return {**typed, "ttl_seconds": number(typed["ttl_seconds"])}


def _schedule(visit: Visit) -> dict[str, object] | None:
    windows = list(_typed_windows(visit))
    zone = visit.text("time_zone")
    if not zone and not windows:
        return None
    if not windows:
        raise Invalid([("/schedule/windows", "are missing: enter one, or leave the time zone empty")])
    return {
        "time_zone": zone,
        "windows": [
            {"days": [day for day in DAYS if day in window.days], "start": window.start, "end": window.end}
            for window in windows
        ],
    }


def _typed_windows(visit: Visit) -> Iterable[WindowRow]:
    for index in range(_MOST_WINDOWS + _SPARE):
        window = WindowRow(
            frozenset(visit.form.getall(f"day-{index}", [])), visit.text(f"start-{index}"), visit.text(f"end-{index}")
        )
        if window.days or window.start or window.end:
            yield window


def number(text: str | None) -> int | str | None:
    """A number; what is none goes on as it is, for the API to say so."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else text
