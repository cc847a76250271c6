"""Rows of the store that are lost: a restore, a known loss, a new beginning; nothing is claimed of their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from admin_api.evidence.deeds import Deed
from admin_api.evidence.gaps import node_gaps
from admin_api.evidence.in_force import run_lines
from admin_api.evidence.lines import Period
from admin_api.evidence.losses import (
    loss_gaps,
    loss_texts,
    losses_of,
    store_openings,
    without_losses,
    without_lost_ends,
)
from admin_api.store import trail
from admin_api.store.periods import PeriodRow
from tests.unit.admin_api.conftest import Served

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PERIOD = Period(START, START + 28 * DAY, START + 60 * DAY)
SAVED, RESTORED = START + 3 * DAY, START + 5 * DAY


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def deed(row: int, at: datetime, of: tuple[str, str], after: Any) -> Deed:
    return Deed(row, at, of[0], of[1], "", None, after, "command line", None, None, None)


def restore(lost_rows: int = 17) -> Deed:
    backup = {"at": text(SAVED), "row": 41, "policy_revision": 9}
    return deed(42, RESTORED, trail.RESTORE, {"by": "root", "backup": backup, "lost_rows": lost_rows})


def run(number: int, began: datetime, beat: datetime) -> PeriodRow:
    return PeriodRow(number, "dns-7", "1", began, began, beat, None, None)


def test_from_a_backup_to_its_restore_nothing_is_known_and_nobody_says_that_the_node_did_not_run() -> None:
    losses = losses_of([restore()])
    # As the backup had it: its last sign of life; and the run that began after the restore.
    runs = [run(1, START - DAY, SAVED - timedelta(seconds=5)), run(2, RESTORED + HOUR, START + 59 * DAY)]
    found = list(without_losses(node_gaps(runs, [], START - DAY, PERIOD, 2), losses, PERIOD))
    assert [(line.kind, line.begins, line.ends, line.seconds) for line in found] == [
        ("not known", text(SAVED - timedelta(seconds=5)), text(SAVED), 5),
        ("not running", text(RESTORED), text(RESTORED + HOUR), 3600),
    ]
    assert found[1].source == "audit row 42"
    (lost,) = loss_gaps(losses, PERIOD)
    assert (lost.kind, lost.begins, lost.ends, lost.seconds) == ("not known", text(SAVED), text(RESTORED), 2 * 86400)
    assert "42 to 58" in lost.reason
    assert "root (command line)" in lost.reason
    lines = list(without_lost_ends(run_lines(runs, PERIOD, 2), losses))
    assert [line.how for line in lines] == ["not known", "running"]
    crashed = [run(1, START - DAY, SAVED - HOUR), runs[1]]
    found = list(without_losses(node_gaps(crashed, [], START - DAY, PERIOD, 2), losses, PERIOD))
    assert [(line.kind, line.seconds) for line in found] == [("not running", 3600)] * 2
    assert [line.how for line in without_lost_ends(run_lines(crashed, PERIOD, 2), losses)] == ["silent", "running"]


def test_a_node_that_was_stopped_before_its_backup_did_not_run_until_then() -> None:
    losses = losses_of([restore(0)])
    stopped = PeriodRow(1, "dns-7", "1", START, START, START + DAY, START + DAY, "stopped")
    runs = [stopped, run(2, RESTORED, START + 59 * DAY)]
    (line,) = without_losses(node_gaps(runs, [], START, PERIOD, 2), losses, PERIOD)
    assert (line.begins, line.ends, line.reason) == (text(START + DAY), text(SAVED), "it was stopped")
    assert [one.how for one in without_lost_ends(run_lines(runs, PERIOD, 2), losses)] == ["stopped", "running"]
    (why,) = [one.reason for one in loss_gaps(losses, PERIOD)]
    assert "after row 41; how many, no head" in why


def test_a_known_loss_counts_from_the_last_head_before_it_and_from_the_begin_where_nobody_noted_that() -> None:
    facts = {"reason": "a copy of Monday", "lost_heads": [[12, "aa"], [30, "bb"]]}
    since = deed(9, RESTORED, trail.ACKNOWLEDGE, {**facts, "since": text(SAVED)})
    (loss,) = losses_of([since])
    assert (loss.began, loss.ended) == (SAVED, RESTORED)
    (unknown,) = losses_of([deed(9, RESTORED, trail.ACKNOWLEDGE, facts)])
    (line,) = loss_gaps([unknown], PERIOD)
    assert (line.begins, line.ends) == (text(START), text(RESTORED))
    (spot,) = loss_texts([unknown], None)
    assert "12, 30 among them" in spot
    assert "a copy of Monday" in spot
    assert "row 9 is gone" in next(loss_texts([], "row 9 is gone"))


def test_a_store_that_was_begun_anew_is_a_loss_and_an_opening_and_one_that_was_whole_is_none() -> None:
    anew = deed(1, RESTORED, trail.BEGIN_ANEW, {"reason": "", "why": "moatdns.sqlite is missing", "lost_heads": []})
    (loss,) = losses_of([anew])
    assert "moatdns.sqlite is missing" in loss.reason
    (opened,) = store_openings([anew], PERIOD)
    assert (opened.kind, opened.begins) == ("store", text(RESTORED))
    assert "an empty one" in opened.what
    assert losses_of([deed(88, RESTORED, trail.BEGIN_ANEW, {"reason": "", "why": "x", "lost_heads": []})]) == []
    (opened,) = store_openings([restore()], PERIOD)
    assert (opened.by, opened.source) == ("root (command line)", "audit row 42")
    assert "policy revision 9" in opened.what
    assert list(store_openings([restore()], Period(START, SAVED, PERIOD.now))) == []


async def test_the_report_tells_of_a_restore_and_of_what_was_confirmed_after_it(served: Served) -> None:
    now = datetime.now(UTC)
    async with served.store.change("command line") as change:
        backup = {"at": text(now - HOUR), "row": 4, "policy_revision": 1}
        change.record(*trail.RESTORE, None, {"by": "root", "backup": backup, "lost_heads": [[9, "a"]], "lost_rows": 5})
        change.record("confirm", "restored", None, {"tokens": ["dashboard"], "exemptions": []})
    content = (await served.get("reports/evidence"))["content"]
    lost = [line for line in content["gaps"] if "restored from the backup" in line["reason"]]
    assert [(line["kind"], line["begins"]) for line in lost] == [("not known", text(now - HOUR))]
    assert any("5 to 9" in spot for spot in content["blind_spots"])
    opened = {line["kind"]: line["what"] for line in content["openings"]}
    assert "what was closed since then is open again" in opened["store"]
    assert "token 'dashboard' of a backup lets its holder in again" in opened["token"]
    earlier = text(now - timedelta(days=9))
    before = (await served.get(f"reports/evidence?from={earlier}&to={text(now - 2 * HOUR)}"))["content"]
    assert not [line for line in before["gaps"] if "restored from the backup" in line["reason"]]
