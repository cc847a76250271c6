"""What is recorded of clients: no more than the config says, and pseudonyms that change with their period."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.system.identities import folded
from resolver.telemetry.pseudonyms import (
    DAY_SECONDS,
    PseudonymPeriod,
    What,
    is_pseudonym,
    new_period,
    period_at,
    read_periods,
    write_periods,
)
from resolver.telemetry.recording import Recording

MONDAY = 1_763_942_400  # 2025-11-24T00:00:00Z
WEEK = 7 * DAY_SECONDS
ANA, BEN = "ana@corp.example", "ben@corp.example"


def week(number: int) -> PseudonymPeriod:
    return new_period(MONDAY + number * WEEK, 7)


@pytest.mark.parametrize(
    ("address", "clients", "shown"),
    [
        ("10.1.2.3", "full", "10.1.2.3"),
        ("::ffff:10.1.2.3", "full", "10.1.2.3"),
        ("fe80::1%eth0", "full", "fe80::1"),
        ("10.1.2.3", "network", "10.1.2.0/24"),
        ("2001:db8:1:2::3", "network", "2001:db8:1::/48"),
        ("10.1.2.3", "hidden", ""),
    ],
)
def test_of_a_client_no_more_is_kept_than_the_config_says(address: str, clients: str, shown: str) -> None:
    assert Recording(clients).of(address, None, 0.0).address == shown


def test_of_an_identity_no_more_is_kept_than_the_config_says() -> None:
    periods = [week(0)]
    kept = [Recording("full", how, periods).of("10.0.0.1", ANA, MONDAY) for how in ("full", "pseudonym", "hidden")]
    full, pseudonym, hidden = (json.loads(one.line()) for one in kept)
    assert full == ["10.0.0.1", ANA]
    assert hidden == "10.0.0.1"
    address, name = pseudonym
    assert address == "10.0.0.1"
    assert is_pseudonym(name)
    assert "ana" not in name


def test_nobodys_address_is_logged_as_ever() -> None:
    for how in ("full", "pseudonym", "hidden"):
        assert Recording("full", how, [week(0)]).of("10.0.0.1", None, MONDAY).line() == b'"10.0.0.1"'


def test_a_person_has_one_pseudonym_in_a_period_wherever_and_another_in_the_next() -> None:
    periods = [week(0), week(1)]
    one, other = Recording("full", "pseudonym", periods), Recording("full", "pseudonym", periods)
    first = one.of("10.0.0.1", ANA, MONDAY).identity
    assert other.of("10.0.0.2", ANA, MONDAY + WEEK - 1).identity == first
    assert one.of("10.0.0.1", BEN, MONDAY).identity != first
    assert one.of("10.0.0.1", ANA, MONDAY + WEEK).identity == other.of("10.0.0.9", ANA, MONDAY + WEEK).identity != first
    assert one.of("10.0.0.1", ANA, MONDAY).identity == first  # a clock that was set back


@pytest.mark.parametrize(
    ("what", "one", "other"),
    [
        ("identity", ANA, " Ana@CORP.example "),
        ("identity", "m\u00fcller@corp.example", "Mu\u0308ller@corp.example"),
        ("identity", "laptop-7.corp.example", "LAPTOP-7.corp.example."),
        ("identity", "spiffe://corp.example/Ana", "SPIFFE://Corp.Example/Ana"),
        ("client", "2001:db8::7", "2001:DB8:0:0::7"),
        ("client", "10.0.0.7", "::ffff:10.0.0.7"),
    ],
)
def test_each_way_to_write_somebody_has_one_pseudonym(what: What, one: str, other: str) -> None:
    period = week(0)
    assert period.of(what, one) == period.of(what, other)


@pytest.mark.parametrize(
    ("one", "other"), [(ANA, BEN), ("spiffe://corp.example/Ana", "spiffe://corp.example/ana"), ("ana", "ana b")]
)
def test_others_have_others(one: str, other: str) -> None:
    assert week(0).of("identity", one) != week(0).of("identity", other)


@given(st.text())
def test_the_form_that_identities_are_compared_in_is_its_own(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_an_address_and_a_person_of_the_same_name_have_different_pseudonyms() -> None:
    recorded = Recording("pseudonym", "pseudonym", [week(0)]).of("10.0.0.1", "10.0.0.1", MONDAY)
    assert recorded.identity is not None
    assert is_pseudonym(recorded.address)
    assert is_pseudonym(recorded.identity)
    assert recorded.address != recorded.identity


def test_without_a_secret_for_the_moment_nothing_is_told() -> None:
    recording = Recording("pseudonym", "pseudonym", [week(1)])
    assert recording.of("10.0.0.1", ANA, MONDAY).line() == b'""'
    assert recording.seconds_left(MONDAY) == WEEK  # then there is one
    assert recording.of("10.0.0.1", ANA, MONDAY + WEEK).identity is not None
    recording.use([])
    assert recording.of("10.0.0.1", ANA, MONDAY + WEEK).line() == b'""'


@pytest.mark.parametrize(("clients", "identities"), [("full", "full"), ("network", "hidden"), ("hidden", "full")])
def test_without_pseudonyms_the_time_does_not_matter(clients: str, identities: str) -> None:
    assert Recording(clients, identities, [week(0)]).seconds_left(MONDAY) == math.inf


def test_what_is_recorded_holds_until_the_period_ends() -> None:
    recording = Recording("full", "pseudonym", [week(0), week(1)])
    assert recording.seconds_left(MONDAY + 10) == WEEK - 10
    assert recording.seconds_left(MONDAY + WEEK) == WEEK


def test_a_period_of_seven_days_is_the_week_from_monday() -> None:
    for day in range(7):
        period = new_period(MONDAY + day * DAY_SECONDS + 5, 7)
        assert (period.begins, period.ends) == (MONDAY, MONDAY + WEEK)


@given(st.integers(0, 4_000_000_000), st.integers(1, 366))
def test_a_day_of_the_log_is_of_one_period(at: int, days: int) -> None:
    period = new_period(at, days)
    assert period.begins <= at < period.ends
    assert period.begins % DAY_SECONDS == 0
    assert period.ends - period.begins == days * DAY_SECONDS


def test_secrets_are_read_as_they_were_written_and_never_shown() -> None:
    periods = (week(0), week(1))
    assert read_periods(write_periods(periods)) == periods
    assert periods[0].secret not in repr(periods[0])


@given(st.text())
def test_any_other_text_is_refused_without_a_word_of_its_secrets(text: str) -> None:
    secret = week(0).secret
    try:
        read_periods(f"{text}\n{secret}")
    except ValueError as error:
        assert secret not in str(error)
    else:
        raise AssertionError("a secret alone is no period")


def test_of_periods_that_overlap_the_last_to_begin_counts() -> None:
    long, short = new_period(MONDAY, 7), new_period(MONDAY + 2 * DAY_SECONDS, 1)
    assert period_at([long, short], MONDAY + 2 * DAY_SECONDS) is short
    assert period_at([long, short], MONDAY + 3 * DAY_SECONDS) is long
    assert period_at([long, short], MONDAY + WEEK) is None
