"""Secrets of pseudonyms on the disk: made ahead, kept as long as rows need them, and gone with the last of these."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from admin_api.query_log.pseudonyms import pseudonyms_of
from moatdns import pseudonym_secrets as secrets
from moatdns.pseudonym_secrets import Periods
from resolver.config.settings import QUERY_LOG, TelemetrySettings
from resolver.errors import MoatdnsError
from resolver.telemetry.pseudonyms import DAY_SECONDS, SECRETS_FILE, day_of, period_at, read_periods, write_periods

MONDAY = 1_763_942_400  # 2025-11-24T00:00:00Z
WEEK = 7 * DAY_SECONDS
WEEKLY = TelemetrySettings()
DAILY = TelemetrySettings(pseudonym_days=1)
FORTNIGHTLY = TelemetrySettings(pseudonym_days=14)
OFF = TelemetrySettings(identities="full")


def current(state_dir: Path, settings: TelemetrySettings, now: float, in_use: Periods = ()) -> Periods:
    """The periods that workers need, without any trouble."""
    found = secrets.current(state_dir, settings, now, in_use)
    assert not found.trouble
    return found.periods


def kept(state_dir: Path) -> list[int]:
    """When the periods begin whose secrets are on the disk."""
    return [one.begins for one in read_periods((state_dir / SECRETS_FILE).read_text())]


def log_of(state_dir: Path, at: int, suffix: str = ".sqlite") -> Path:
    """A day of the query log."""
    path = state_dir / QUERY_LOG / f"{day_of(at)}{suffix}"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_they_are_made_once_for_us_alone(tmp_path: Path) -> None:
    first = current(tmp_path, WEEKLY, MONDAY)
    assert current(tmp_path, WEEKLY, MONDAY + 1000) == first
    assert [(one.begins, one.ends) for one in first] == [(MONDAY, MONDAY + WEEK)]
    assert stat.S_IMODE((tmp_path / SECRETS_FILE).stat().st_mode) == 0o600


def test_the_next_is_there_a_day_ahead_and_stays_what_it_is(tmp_path: Path) -> None:
    this, following = current(tmp_path, WEEKLY, MONDAY + WEEK - DAY_SECONDS)
    assert following.begins == this.ends
    assert current(tmp_path, WEEKLY, MONDAY + WEEK + 1) == (following,)


def test_a_secret_is_gone_with_the_last_row_of_its_period(tmp_path: Path) -> None:
    current(tmp_path, WEEKLY, MONDAY)
    row = log_of(tmp_path, MONDAY + 6 * DAY_SECONDS)
    later = MONDAY + 3 * WEEK
    log_of(tmp_path, later)
    current(tmp_path, WEEKLY, later)
    assert kept(tmp_path) == [MONDAY, later]
    row.unlink()
    current(tmp_path, WEEKLY, later)
    assert kept(tmp_path) == [later]


def test_a_damaged_day_still_has_rows(tmp_path: Path) -> None:
    current(tmp_path, WEEKLY, MONDAY)
    log_of(tmp_path, MONDAY, ".damaged")
    current(tmp_path, WEEKLY, MONDAY + 2 * WEEK)
    assert MONDAY in kept(tmp_path)


def test_rows_that_are_just_being_written_keep_their_secret(tmp_path: Path) -> None:
    current(tmp_path, DAILY, MONDAY)
    current(tmp_path, DAILY, MONDAY + DAY_SECONDS + 60)
    assert MONDAY in kept(tmp_path)
    current(tmp_path, DAILY, MONDAY + DAY_SECONDS + 3700)
    assert MONDAY not in kept(tmp_path)


def test_without_pseudonyms_none_is_made_and_what_rows_need_is_kept(tmp_path: Path) -> None:
    assert current(tmp_path, OFF, MONDAY) == ()
    assert not (tmp_path / SECRETS_FILE).exists()
    current(tmp_path, WEEKLY, MONDAY)
    log_of(tmp_path, MONDAY)
    assert current(tmp_path, OFF, MONDAY + WEEK + DAY_SECONDS) == ()
    assert kept(tmp_path) == [MONDAY]


def test_another_length_begins_at_once(tmp_path: Path) -> None:
    (week,) = current(tmp_path, WEEKLY, MONDAY + 2 * DAY_SECONDS)
    day, following = current(tmp_path, DAILY, MONDAY + 2 * DAY_SECONDS)
    assert day.secret != week.secret
    assert (day.begins, day.ends) == (MONDAY + 2 * DAY_SECONDS, following.begins)
    (again,) = current(tmp_path, WEEKLY, MONDAY + 2 * DAY_SECONDS + 5)
    assert again == week


@pytest.mark.parametrize(("before", "after"), [(DAILY, WEEKLY), (DAILY, FORTNIGHTLY), (WEEKLY, FORTNIGHTLY)])
@pytest.mark.parametrize("hours", range(0, 14 * 24, 11))
def test_a_longer_length_makes_one_secret_a_period(
    tmp_path: Path, before: TelemetrySettings, after: TelemetrySettings, hours: int
) -> None:
    now = MONDAY + hours * 3600
    current(tmp_path, before, now)
    told = current(tmp_path, after, now)
    assert {one.ends - one.begins for one in told} == {after.pseudonym_days * DAY_SECONDS}
    for periods in (told, read_periods((tmp_path / SECRETS_FILE).read_text())):
        assert len({(one.begins, one.ends) for one in periods}) == len(periods)
    assert current(tmp_path, after, now + 60) == told


def test_of_two_secrets_for_the_same_days_the_first_is_used_and_both_are_kept(tmp_path: Path) -> None:
    (here,) = current(tmp_path, WEEKLY, MONDAY)
    file = tmp_path / SECRETS_FILE
    file.rename(tmp_path / "of the other node")
    (restored,) = current(tmp_path, WEEKLY, MONDAY)
    file.write_text(write_periods([here, restored]))
    for hour in range(3):
        assert current(tmp_path, WEEKLY, MONDAY + hour * 3600) == (here,)
    assert read_periods(file.read_text()) == (here, restored)
    assert pseudonyms_of(tmp_path, "identity", "ana") == {one.of("identity", "ana") for one in (here, restored)}


def test_a_file_that_cannot_be_read_is_left_as_it_is_and_told_of(tmp_path: Path) -> None:
    path = tmp_path / SECRETS_FILE
    path.write_text("nonsense\n")
    first = secrets.current(tmp_path, WEEKLY, MONDAY)
    assert "line 1 is no period with its secret; move it away" in first.trouble
    assert len(first.periods) == 1
    assert secrets.current(tmp_path, WEEKLY, MONDAY + 1000, first.periods).periods == first.periods
    assert secrets.current(tmp_path, OFF, MONDAY + 1000, first.periods).periods == ()
    assert path.read_text() == "nonsense\n"
    with pytest.raises(MoatdnsError, match="line 1 is no period"):
        pseudonyms_of(tmp_path, "identity", "ana")
    path.unlink()
    assert current(tmp_path, WEEKLY, MONDAY + 2000, first.periods) == first.periods
    assert kept(tmp_path) == [MONDAY]


def test_a_disk_that_takes_nothing_keeps_the_secret_that_is_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (this,) = current(tmp_path, WEEKLY, MONDAY)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(secrets, "write_whole", full)
    found = secrets.current(tmp_path, WEEKLY, MONDAY + WEEK - DAY_SECONDS)
    assert found.trouble == f"{tmp_path / SECRETS_FILE} cannot be written: No space left on device"
    assert found.periods[0] == this
    again = secrets.current(tmp_path, WEEKLY, MONDAY + WEEK, found.periods)
    assert again.periods == found.periods[1:]
    monkeypatch.undo()
    assert current(tmp_path, WEEKLY, MONDAY + WEEK, again.periods) == again.periods
    assert kept(tmp_path)[-1] == MONDAY + WEEK


def test_a_persons_rows_are_found_by_the_secrets_that_are_kept_and_by_no_others(tmp_path: Path) -> None:
    assert pseudonyms_of(tmp_path, "identity", "ana") == frozenset()
    (one,) = current(tmp_path, WEEKLY, MONDAY)
    row = log_of(tmp_path, MONDAY)
    (other,) = current(tmp_path, WEEKLY, MONDAY + WEEK)
    assert pseudonyms_of(tmp_path, "identity", "ana") == {one.of("identity", "ana"), other.of("identity", "ana")}
    row.unlink()
    current(tmp_path, WEEKLY, MONDAY + WEEK + DAY_SECONDS)
    assert pseudonyms_of(tmp_path, "identity", "ana") == {other.of("identity", "ana")}


def test_workers_that_never_hear_again_have_a_secret_for_a_day(tmp_path: Path) -> None:
    for hour in range(0, 8 * 24):
        now = MONDAY + hour * 3600
        told = current(tmp_path, WEEKLY, now)
        assert period_at(told, now + DAY_SECONDS - 1) is not None
    assert secrets.LOOK_SECONDS < DAY_SECONDS
