"""When a connection's time is over, and which of its times."""

from __future__ import annotations

from resolver.config.settings import Limits
from resolver.listeners.times import BEGINNING, IDLE, LIFETIME, UNSENT, ConnectionTimes, Look

LIMITS = Limits(tls_handshake_seconds=5, tcp_idle_seconds=10, tcp_write_seconds=3, tcp_lifetime_seconds=60)


def look(times: ConnectionTimes, now: float, *, unsent: int = 0, is_busy: bool = False, finishes: bool = False) -> Look:
    return times.look(now, unsent, None, is_busy=is_busy, is_finishing=finishes)


def test_it_must_be_clear_soon_what_is_spoken() -> None:
    times = ConnectionTimes(LIMITS, 100.0)
    assert times.look_at_beginning(104.9) == ("", 105.0)
    assert times.look_at_beginning(105.0)[0] == BEGINNING


def test_silence_ends_a_connection_unless_an_answer_is_awaited() -> None:
    times = ConnectionTimes(LIMITS, 0.0)
    assert look(times, 1.0) == ("", 10.0)
    assert look(times, 10.0) == (IDLE, 13.0)
    assert look(times, 10.0, is_busy=True) == ("", 20.0)
    assert look(times, 19.9) == ("", 20.0)


def test_every_connection_ends_once_and_is_not_ended_again_while_it_finishes() -> None:
    times = ConnectionTimes(LIMITS, 0.0)
    times.active_at = 55.0
    assert look(times, 56.0) == ("", 60.0)
    assert look(times, 60.0) == (LIFETIME, 65.0)
    assert look(times, 60.5, finishes=True) == ("", 65.0)


def test_who_does_not_take_what_is_for_it_is_cut_off_and_who_takes_it_slowly_is_not() -> None:
    slow, dead = ConnectionTimes(LIMITS, 0.0), ConnectionTimes(LIMITS, 0.0)
    for times in (slow, dead):
        times.sent = 1000
        assert look(times, 0.0, unsent=1000, is_busy=True) == ("", 3.0)
    slow.sent = 1500
    assert look(slow, 2.9, unsent=400, is_busy=True)[0] == ""  # the first thousand is gone
    assert look(slow, 3.0, unsent=400, is_busy=True)[0] == ""
    assert look(dead, 3.0, unsent=900, is_busy=True)[0] == UNSENT


def test_what_cannot_even_be_sent_counts_from_when_it_stalled() -> None:
    times = ConnectionTimes(LIMITS, 0.0)
    assert times.look(4.9, 0, 2.0, is_busy=True, is_finishing=False)[0] == ""
    assert times.look(5.0, 0, 2.0, is_busy=True, is_finishing=False)[0] == UNSENT


def test_the_next_look_is_never_now() -> None:
    times = ConnectionTimes(LIMITS, 0.0)
    times.active_at = -9.999
    assert look(times, 0.0)[1] == 0.01
