"""Sessions: how long they last, how many there are, and what is kept of their cookies."""

from __future__ import annotations

from admin_api.pages.login.sessions import IDLE_SECONDS, MOST_SESSIONS, Sessions
from resolver.config.settings import LONGEST_SESSION_SECONDS


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_is_found_by_its_cookie_alone() -> None:
    sessions = Sessions()
    text = sessions.begin("0123abcd")
    found = sessions.find(text)
    assert found is not None
    assert found.token_id == "0123abcd"
    assert found.csrf not in (text, "")
    assert sessions.find(text[:-1]) is None
    assert sessions.find("\udc80") is None
    assert text not in repr(vars(sessions))


def test_a_session_ends_when_it_is_silent_or_old() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    silent, busy = sessions.begin("a"), sessions.begin("b")
    clock.now += IDLE_SECONDS
    assert sessions.find(busy)
    clock.now += 1
    assert sessions.find(silent) is None
    assert sessions.find(busy)
    while clock.now <= 1000 + LONGEST_SESSION_SECONDS - IDLE_SECONDS:
        clock.now += IDLE_SECONDS
        assert sessions.find(busy)
    clock.now = 1001 + LONGEST_SESSION_SECONDS
    assert sessions.find(busy) is None
    assert len(sessions) == 0


def test_a_page_that_asks_by_itself_keeps_no_session_alive() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    forgotten = sessions.begin("a")
    while clock.now < 1000 + IDLE_SECONDS:
        clock.now += 5
        assert sessions.find(forgotten, is_used=False)
    clock.now += 1
    assert sessions.find(forgotten, is_used=False) is None


def test_of_too_many_sessions_the_most_silent_ends() -> None:
    sessions = Sessions()
    first, second = sessions.begin("a"), sessions.begin("b")
    assert sessions.find(first)
    for _ in range(MOST_SESSIONS - 1):
        sessions.begin("c")
    assert sessions.find(second) is None
    assert sessions.find(first)
    assert len(sessions) == MOST_SESSIONS


def test_an_ended_session_is_gone() -> None:
    sessions = Sessions()
    text = sessions.begin("a")
    sessions.end(text)
    sessions.end(text)
    assert sessions.find(text) is None


def test_what_is_told_is_told_once_and_bounded() -> None:
    sessions = Sessions()
    session = sessions.find(sessions.begin("a"))
    assert session
    for number in range(100):
        session.tell(str(number))
    assert session.take_told() == ["95", "96", "97", "98", "99"]
    assert session.take_told() == []
