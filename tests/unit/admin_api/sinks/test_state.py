"""Log sinks as the API, /ready and the page tell of them: without what may be secret in an address."""

from __future__ import annotations

from admin_api.sinks.state import SinkState
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

SHOWN = "https://logs.corp.example:8088"


async def test_a_sink_is_told_of_without_its_path(served: Served) -> None:
    (item,) = (await served.get("log-sinks"))["items"]
    assert item == {
        "to": SHOWN,
        "what": ["queries", "audit"],
        "format": "ecs",
        "sent": 0,
        "dropped": {},
        "behind_seconds": 0,
        "last_success_at": None,
        "trouble": None,
        "last_error": None,
    }


async def test_a_sink_that_takes_nothing_makes_the_node_degraded_and_no_less(served: Served) -> None:
    served.context.sinks.sinks[0].state.note("it answered 503", ": request 7f3a")
    ready = await served.get("/ready")
    assert ready["status"] == "degraded"
    assert f"log sink {SHOWN}: it answered 503" in ready["why"]
    for role, words in (("operator", "it answered 503: request 7f3a"), ("viewer", "it answered 503")):
        page, _ = await (await Browser.log_in(served, role)).get("/status")
        assert SHOWN in page and words in page and "s3cret" not in page
        assert ("7f3a" in page) is (role == "operator")


def test_that_rows_are_dropped_is_told_in_the_same_words_however_many_they_are() -> None:
    state = SinkState()
    assert state.troubles == []
    state.drop(1, "late")
    told = state.troubles
    state.drop(7000, "removed")
    assert state.troubles == told == ["rows were dropped within the last five minutes"]
