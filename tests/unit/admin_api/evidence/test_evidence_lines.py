"""Lines of evidence by set times: a monitor week, a schedule over a change of the clocks, a pause, leases, crashes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from admin_api.evidence.deeds import Deed, Owners
from admin_api.evidence.gaps import WindowsLeft, group_gaps, node_gaps, pause_gaps
from admin_api.evidence.in_force import (
    ForceHistory,
    in_force_lines,
    revision_lines,
    run_lines,
    segments,
    states_at_start,
)
from admin_api.evidence.lines import GapLine, Period
from admin_api.evidence.losses import Loss
from admin_api.evidence.openings import exempt_lines, exemption_lines, lease_lines, lease_texts
from admin_api.evidence.uses import Use, UseCounts, Uses, use_texts
from admin_api.store.exemptions import EventRow, ExemptionRow
from admin_api.store.leases import LeaseEvent
from admin_api.store.periods import PeriodRow, SpanRow
from admin_api.store.queries import values_of
from admin_api.store.revisions import RevisionRow
from tests.unit.admin_api.states import group_state, new_exemption

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
PERIOD = Period(START, START + 28 * DAY, START + 60 * DAY)
OWNERS = Owners([(START - DAY, "first", "Ana"), (START + DAY, "first", "Ben")])


def deed(row: int, at: datetime, action: str, what: str, before: Any, after: Any) -> Deed:
    kind, _, name = what.partition("/")
    return Deed(row, at, action, kind, name, before, after, "Ana (token:first)", None, None, f"r{row}")


def short(line: GapLine) -> tuple[str, str | None, str, str | None, int]:
    return line.kind, line.group, line.begins, line.ends, line.seconds


def test_a_monitor_week_is_a_gap_from_when_it_was_in_force_to_when_it_was_over() -> None:
    enforced, watched = group_state("sales"), group_state("sales", mode="monitor")
    begun, over = START + 7 * DAY, START + 14 * DAY
    deeds = [
        deed(5, begun, "update", "groups/sales", enforced, watched),
        deed(9, over, "update", "groups/sales", watched, enforced),
        deed(10, over + DAY, "update", "groups/sales", enforced, group_state("sales", mode="monitor", exempt=True)),
    ]
    stored = [
        RevisionRow(number, at + timedelta(milliseconds=2), "token:first", f"r{row}", ("update groups/sales",))
        for number, row, at in ((3, 5, begun), (4, 9, over), (5, 10, over + DAY))
    ]
    spans = [
        SpanRow(
            1, 1, "policy", at + timedelta(seconds=1), None, {"revision": number, "catalogue": {"fingerprint": "f"}}
        )
        for number, at in ((3, begun), (4, over), (5, over + DAY))
    ]
    known = ForceHistory(stored, spans)
    first = states_at_start({"sales": deeds[-1].after or {}}, deeds)
    assert first == {"sales": enforced}
    found = segments(first, deeds, known.begins, START)
    gaps = [short(line) for line in group_gaps(found, PERIOD, WindowsLeft())]
    assert gaps == [("monitor", "sales", "2026-03-09T00:00:01Z", "2026-03-16T00:00:01Z", 7 * 86400)]
    (exempt,) = exempt_lines(found, PERIOD)
    assert (exempt.begins, exempt.ends, exempt.by) == ("2026-03-17T00:00:01Z", None, "Ana (token:first)")
    lines = revision_lines(known, deeds, PERIOD)
    assert [(line.revision, line.in_force_at) for line in lines][:1] == [(3, "2026-03-09T00:00:01Z")]


def test_the_week_in_which_it_is_asked_counts_up_to_now_and_no_further() -> None:
    state = group_state("sales", mode="monitor")
    found = segments({"sales": state}, [], lambda at: at, START)
    now = Period(START, START + 28 * DAY, START + 2 * DAY)
    assert [short(line) for line in group_gaps(found, now, WindowsLeft())] == [
        ("monitor", "sales", "2026-03-02T00:00:00Z", None, 2 * 86400)
    ]


def test_a_schedule_leaves_open_what_is_outside_its_windows_by_its_zones_clocks() -> None:
    windows = [{"days": ["sat", "sun", "mon"], "start": "08:00", "end": "18:00"}]
    state = group_state("office", schedule={"time_zone": "Europe/Berlin", "windows": windows})
    night = Period(datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC), START + 60 * DAY)
    found = segments({"office": state}, [], lambda at: at, night.start)
    # The clocks go forward in the night to Sunday, 29 March: 18:00 was 17:00 UTC, and 08:00 is 06:00 UTC then.
    assert [short(line)[2:] for line in group_gaps(found, night, WindowsLeft())] == [
        ("2026-03-28T17:00:00Z", "2026-03-29T06:00:00Z", 13 * 3600),
        ("2026-03-29T16:00:00Z", "2026-03-30T06:00:00Z", 14 * 3600),
    ]


def test_windows_that_are_too_many_end_in_one_line_that_the_rest_is_not_known() -> None:
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    windows = [{"days": days, "start": "08:00", "end": "12:00"}, {"days": days, "start": "13:00", "end": "18:00"}]
    schedule = {"time_zone": "UTC", "windows": windows}
    states = {name: group_state(name, schedule=schedule) for name in ("office", "plant")}
    found = segments(states, [], lambda at: at, START)
    left = WindowsLeft(2 * (28 + 3))
    lines = [short(line) for line in group_gaps(found, PERIOD, left)]
    assert left.cut == {"plant"}
    office, plant = ([line for line in lines if line[1] == name] for name in ("office", "plant"))
    assert len(office) == 28 * 2 + 1
    assert sum(line[-1] for line in office) == 28 * 15 * 3600, "each second of them"
    assert plant[:-1] == [(line[0], "plant", *line[2:]) for line in office[: 3 * 2]] + [
        ("schedule", "plant", "2026-03-04T18:00:00Z", "2026-03-05T00:00:00Z", 6 * 3600)
    ]
    assert plant[-1][0] == "not known"
    assert plant[-1][2:4] == ("2026-03-05T00:00:00Z", "2026-03-30T00:00:00Z")


def test_three_years_of_many_windows_are_told_to_their_end() -> None:
    windows = [{"days": ["mon", "tue"], "start": f"{hour:02}:00", "end": f"{hour:02}:30"} for hour in range(24)]
    state = group_state("office", schedule={"time_zone": "UTC", "windows": windows})
    long = Period(START, START + 1092 * DAY, START + 1092 * DAY)
    left = WindowsLeft()
    lines = list(group_gaps(segments({"office": state}, [], lambda at: at, START), long, left))
    assert not left.cut
    assert (len(lines), lines[-1].ends) == (156 * 48, "2029-02-26T00:00:00Z")


def test_sets_that_are_watched_until_a_time_are_a_gap_until_then() -> None:
    state = group_state("lab", monitor=["clouds"], monitor_until="2026-03-10T00:00:00Z")
    found = segments({"lab": state}, [], lambda at: at, START)
    (line,) = group_gaps(found, PERIOD, WindowsLeft())
    assert short(line) == ("watched sets", "lab", "2026-03-02T00:00:00Z", "2026-03-10T00:00:00Z", 8 * 86400)
    assert "clouds" in line.reason


def test_pauses_end_by_a_person_or_by_themselves_and_one_from_before_the_period_counts() -> None:
    def paused(row: int, at: datetime, hours: int, group: str | None) -> Deed:
        after = {"id": f"pa-{row}", "group": group, "reason": "a talk", "expires_at": (at + hours * HOUR).isoformat()}
        return deed(row, at, "pause", f"pauses/pa-{row}", None, after)

    deeds = [
        paused(1, START - HOUR, 2, None),
        paused(2, START + DAY, 4, "sales"),
        deed(3, START + DAY + HOUR, "end", "pauses/pa-2", {}, None),
        paused(4, START + 2 * DAY, 4, "sales"),
        deed(5, START + 2 * DAY + 4 * HOUR + timedelta(seconds=3), "expire", "pauses/pa-4", {}, None),
        paused(6, START - DAY, 1, "sales"),
    ]
    assert [short(line) for line in pause_gaps(deeds, PERIOD)] == [
        ("pause", None, "2026-03-01T23:00:00Z", "2026-03-02T01:00:00Z", 3600),
        ("pause", "sales", "2026-03-03T00:00:00Z", "2026-03-03T01:00:00Z", 3600),
        ("pause", "sales", "2026-03-04T00:00:00Z", "2026-03-04T04:00:00Z", 4 * 3600),
    ]


def run(number: int, began: datetime, beat: datetime, how: str | None = None) -> PeriodRow:
    return PeriodRow(number, "dns-7", "1", began, began, beat, beat if how else None, how)


def test_the_time_between_two_runs_is_a_gap_with_how_the_first_one_ended() -> None:
    runs = [
        run(1, START - 9 * DAY, START - 8 * DAY, "stopped"),
        run(2, START + DAY, START + 2 * DAY, "stopped"),
        run(3, START + 2 * DAY + HOUR, START + 3 * DAY),
        run(4, START + 3 * DAY + 2 * HOUR, START + 5 * DAY, "lost"),
        run(5, START + 5 * DAY + HOUR, START + 59 * DAY),
    ]
    degraded = SpanRow(1, 5, "degraded", START + 6 * DAY, START + 6 * DAY + HOUR, {"why": ["the disk is full"]})
    found = list(node_gaps(runs, [degraded], START - 9 * DAY, PERIOD, 5))
    assert [(line.kind, line.seconds) for line in found] == [
        ("not running", 86400),
        ("not running", 3600),
        ("not running", 7200),
        ("not running", 3600),
        ("degraded", 3600),
    ]
    assert [line.reason[:20] for line in found] == [
        "it was stopped", "it was stopped", "it ended without a w", "its supervisor was g", "the disk is full",
    ]  # fmt: skip
    assert [line.how for line in run_lines(runs, PERIOD, 5)] == ["stopped", "silent", "lost", "running"]


def test_before_anything_was_noted_nothing_is_known_and_that_is_told_instead_of_no_gaps() -> None:
    found = list(node_gaps([run(1, START + 10 * DAY, START + 59 * DAY)], [], START + 10 * DAY, PERIOD, 1))
    assert [short(line) for line in found] == [
        ("not known", None, "2026-03-02T00:00:00Z", "2026-03-12T00:00:00Z", 10 * 86400)
    ]
    (unknown,) = node_gaps([], [], None, PERIOD, None)
    assert (unknown.kind, unknown.seconds) == ("not known", 28 * 86400)


def test_a_node_that_has_not_run_since_is_a_gap_that_goes_on() -> None:
    found = list(node_gaps([run(1, START - DAY, START + DAY, "stopped")], [], START - DAY, PERIOD, None))
    assert [short(line)[2:] for line in found] == [("2026-03-03T00:00:00Z", None, 27 * 86400)]


def test_one_policy_over_two_control_processes_is_one_line() -> None:
    body = {"revision": 7, "catalogue": {"fingerprint": "f", "bundled": 1, "feed": None}}
    spans = [
        SpanRow(1, 1, "policy", START, START + DAY, body),
        SpanRow(2, 1, "policy", START + DAY, START + 2 * DAY, body),
        SpanRow(3, 1, "policy", START + 2 * DAY, None, {**body, "revision": 8}),
    ]
    lines = in_force_lines(ForceHistory([], spans), PERIOD)
    assert [(line.revision, line.begins, line.ends) for line in lines] == [
        (7, "2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z"),
        (8, "2026-03-04T00:00:00Z", None),
    ]


def test_leases_into_a_group_count_while_it_is_exempt() -> None:
    vpn, closed = group_state("vpn", exempt=True), group_state("vpn")
    change = deed(7, START + 10 * DAY, "update", "groups/vpn", vpn, closed)
    exempt = [one for one in segments({"vpn": vpn}, [change], lambda at: at, START) if one.state["exempt"]]

    def event(number: int, at: datetime, action: str, address: str, hours: int = 8) -> LeaseEvent:
        return LeaseEvent(number, at, action, address, "ana", "vpn", at + hours * HOUR, "token:first", None)

    events = [
        event(1, START + DAY, "set", "10.0.0.1"),
        event(2, START + DAY + HOUR, "renewed", "10.0.0.1"),
        event(3, START + DAY + 3 * HOUR, "ended", "10.0.0.1"),
        event(4, START + 2 * DAY, "set", "10.0.0.2"),
        event(5, START + 11 * DAY, "set", "10.0.0.3"),
    ]
    lines = list(lease_lines(events, exempt, OWNERS, PERIOD))
    assert [(line.begins, line.until, line.ended) for line in lines] == [
        ("2026-03-03T00:00:00Z", "2026-03-03T09:00:00Z", "2026-03-03T03:00:00Z"),
        ("2026-03-04T00:00:00Z", "2026-03-04T08:00:00Z", "2026-03-04T08:00:00Z"),
    ]
    assert [line.by for line in lines] == ["Ben (token:first)"] * 2


def test_a_token_is_told_with_the_owner_that_it_had_then() -> None:
    assert OWNERS.told("token:first", START) == "Ana (token:first)"
    assert OWNERS.told("token:first", START + 2 * DAY) == "Ben (token:first)"
    assert OWNERS.told("token:gone", START) == "token:gone"
    assert OWNERS.told("config", START) == "config"


def test_a_lease_that_goes_to_another_group_ends_and_what_is_left_out_is_told() -> None:
    vpn = segments({"vpn": group_state("vpn", exempt=True)}, [], lambda at: at, START)

    def event(number: int, days: int, group: str | None) -> LeaseEvent:
        at = START + days * DAY
        return LeaseEvent(number, at, "set", "10.0.0.1", "ana", group, at + 9 * DAY, "token:first", None)

    events = [event(1, -1, "vpn"), event(2, 2, None)]
    (line,) = lease_lines(events, vpn, OWNERS, PERIOD)
    assert (line.begins, line.ended) == ("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z")
    assert list(lease_texts(events, 0)) == []
    assert "from 2026-03-04T00:00:00Z on" in next(lease_texts(events, 3))


def exemption(**said: Any) -> ExemptionRow:
    new = new_exemption(starts_at=START + DAY, expires_at=START + 20 * DAY, decided_by="token:first")
    return ExemptionRow(**values_of(new) | {
        "id": "ex-1", "requested_by": "token:first", "requested_owner": "Ana", "created_at": START + DAY, **said,
    })  # fmt: skip


def event(days: int, action: str) -> EventRow:
    status = "suspended" if action == "suspend" else "active"
    return EventRow(START + days * DAY, action, "command line", "root", status, START + 20 * DAY, None)


NEVER = Uses(UseCounts({}, START - 99 * DAY, is_whole=True), [])


def test_a_suspended_exemption_is_not_in_force_until_it_is_confirmed() -> None:
    def lines(row: ExemptionRow, *events: EventRow) -> list[tuple[str, str | None, str | None]]:
        found = exemption_lines([row], {"ex-1": events}, NEVER, OWNERS, PERIOD, None)
        return [(line.begins[8:10], line.ended and line.ended[8:10], line.approved_by) for line in found]

    assert lines(exemption(status="suspended"), event(3, "suspend")) == [("03", "05", None)]
    again = (event(3, "suspend"), event(5, "confirm"))
    assert lines(exemption(), *again) == [("03", "05", None), ("07", "22", "root (command line)")]
    assert lines(exemption(), *again, event(9, "suspend"))[1:] == [("07", "11", "root (command line)")]
    assert lines(exemption(starts_at=START + 4 * DAY), *again) == [("07", "22", "root (command line)")]
    gone = exemption(status="revoked", ended_at=START + 6 * DAY)
    assert lines(gone, event(3, "suspend")) == [("03", "05", None)]


def test_uses_that_may_be_counted_elsewhere_or_no_longer_are_not_said_to_be_none() -> None:
    row, used = exemption(), Use(4, START + 2 * DAY)
    lost = Loss(START + 2 * DAY, START + 3 * DAY, "rows", "a restore", "audit row 2")

    def uses(found: Uses | None) -> tuple[int | None, str | None]:
        (line,) = exemption_lines([row], {}, found, OWNERS, PERIOD, None)
        return line.uses, line.last_used_at

    assert uses(NEVER) == (0, None)
    assert uses(None) == (None, None)
    assert uses(Uses(UseCounts({}, START - DAY, is_whole=False), [])) == (None, None)
    assert uses(Uses(UseCounts({}, START + 2 * DAY, is_whole=True), [])) == (None, None)
    assert uses(Uses(UseCounts({}, START - DAY, is_whole=True), [lost])) == (None, None)
    assert uses(Uses(UseCounts({"ex-1": used}, START - DAY, is_whole=False), [lost])) == (4, "2026-03-04T00:00:00Z")
    assert "null" in next(use_texts(Uses(UseCounts({}, START, is_whole=False), [])))
    assert list(use_texts(NEVER)) == []


def test_what_was_fetched_is_in_force_once_it_is_compiled_and_not_before() -> None:
    stored = [
        RevisionRow(7, START + DAY, "subscriptions", None, ("refresh lists/feed",)),
        RevisionRow(8, START + DAY + SECOND, "token:first", "r1", ("update groups/sales",)),
    ]

    def span(number: int, seconds: int, revision: int, *lacks: str) -> SpanRow:
        at = START + DAY + timedelta(seconds=seconds)
        body = {"revision": revision, "catalogue": {"fingerprint": "f", "bundled": 1}, "lacks": list(lacks)}
        return SpanRow(number, 1, "policy", at, at + timedelta(seconds=9) if number < 4 else None, body)

    spans = [span(1, 2, 7, "*"), span(2, 11, 8, "feed", "other"), span(3, 20, 8, "other"), span(4, 29, 8)]
    known = ForceHistory(stored, spans)
    lines = revision_lines(known, [], PERIOD)
    assert [line.in_force_at for line in lines] == ["2026-03-03T00:00:20Z", "2026-03-03T00:00:11Z"]
    assert [(line.revision, line.lacks) for line in in_force_lines(known, PERIOD)] == [
        (7, ["*"]),
        (8, ["feed", "other"]),
        (8, ["other"]),
        (8, []),
    ]
