"""A feed of signed catalogues, by HTTP: in force without a restart, or refused or held with the old one in force."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from blocklists.feed.minisign import SecretKey
from tests.support import feed as bad
from tests.support.browser import Person
from tests.support.clients import ask, is_blocked, is_blocked_everywhere
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.publisher import REFUSED, Publisher, catalogue


def config(publisher: Publisher, mode: str = "auto", *keys: SecretKey) -> dict[str, Any]:
    trusted = [key.public.line for key in keys or (publisher.key,)]
    feed = {"mode": mode, "feed": publisher.url, "keys": trusted, "allow_private": True, "max_mib": 1}
    policy, log_all = {"catalogue": feed}, {"what": "all"}
    return {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}, "policy": policy, "query_log": log_all}


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    with Publisher() as started:
        started.publish(catalogue(1, "first.example"))
        yield started


@pytest.fixture(scope="module")
def server(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    with Moatdns(tmp_path_factory.mktemp("feed"), config(publisher), with_api=True) as started:
        in_force(started, 1)
        yield started


def look(server: Moatdns) -> None:
    server.api.post("catalogue:refresh", None, status=202)


def in_force(server: Moatdns, version: int) -> dict[str, Any]:
    """Wait until a version is in force; gives what the API says of the feed."""

    def found() -> dict[str, Any] | None:
        feed: dict[str, Any] = server.api.get("catalogue")["feed"]
        return feed if feed["in_force"] and feed["in_force"]["version"] == version and not feed["last_error"] else None

    return wait_until(found, f"version {version} of the feed is in force")


def run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, "catalogue", *words, "--config", str(server.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_a_new_version_comes_in_force_and_one_takes_its_own_back(server: Moatdns, publisher: Publisher) -> None:
    assert is_blocked(ask(server.port, "www.first.example"))
    assert is_blocked(ask(server.port, "claude.ai"))
    before = [process.pid for process in server.family()]
    publisher.publish(catalogue(2, "second.example"))
    look(server)
    in_force(server, 2)
    wait_until(lambda: is_blocked_everywhere(server.port, "second.example"), "the new name is blocked")
    assert not is_blocked(ask(server.port, "first.example"))
    assert is_blocked(ask(server.port, "claude.ai"))
    assert set(before) <= {process.pid for process in server.family()}, "nothing was started again"
    told = server.api.get("explain?name=second.example&client=127.0.0.1")
    assert (told["verdict"], told["service"]) == ("block", "newco/chat")
    (row,) = [row for row in server.api.get("audit")["items"] if row["action"] == "feed"][:1]
    assert (row["actor"], row["after"]["version"], row["after"]["added"]) == (
        "catalogue-feed",
        2,
        ["second.example (newco/chat)"],
    )
    assert server.api.get("status")["catalogue"]["feed"] == 2


def test_queries_of_the_days_before_that_a_version_would_have_blocked_are_told(
    server: Moatdns, publisher: Publisher
) -> None:
    number = server.api.get("catalogue")["feed"]["in_force"]["version"] + 1
    ask(server.port, "soon.example")
    wait_until(lambda: server.api.get("queries?name=soon.example")["items"], "the query is in the log")
    publisher.publish(catalogue(number, "soon.example"))
    look(server)
    in_force(server, number)

    def told() -> bool:
        news = server.api.get("catalogue")["news"]
        return bool(news) and news["services"] == [{"service": "newco/chat", "queries": 1}] and not news["waits"]

    wait_until(told, "the news count it")


def test_what_is_refused_is_told_and_changes_nothing(server: Moatdns, publisher: Publisher) -> None:
    number = server.api.get("catalogue")["feed"]["in_force"]["version"] + 1
    publisher.publish(catalogue(number, "good.example"))
    look(server)
    in_force(server, number)
    told = 0
    for case, reason in REFUSED.items():
        publisher.publish_wrongly(case, number)
        look(server)
        name, told = "catalogue from the feed refused", told + 1
        wait_until(lambda: len(server.events_named(name)) >= told, f"a catalogue that is {case} is refused")  # noqa: B023
        assert server.events_named(name)[-1]["reason"] == reason, case
        feed = server.api.get("catalogue")["feed"]
        assert feed["in_force"]["version"] == number, case
        assert any(feed["last_error"] in why for why in server.api.get("/ready")["why"]), case
        assert is_blocked(ask(server.port, "good.example")), case
        assert not is_blocked(ask(server.port, "evil.example")), case
    metrics = server.api.get("/metrics").splitlines()
    assert "moatdns_feed_failing 1.0" in metrics
    for reason in set(REFUSED.values()):
        assert f'moatdns_feed_refused_total{{reason="{reason}"}} 0.0' not in metrics
    shown = run(server, "diff", "--json")
    assert shown.returncode == 0
    assert json.loads(shown.stdout)["feed"]["refused"] == feed["last_error"]
    publisher.publish(catalogue(number + 9, "good.example"))
    look(server)
    in_force(server, number + 9)
    assert not any("feed" in why for why in server.api.get("/ready")["why"])


def test_a_change_of_more_than_a_tenth_waits_for_a_person(
    server: Moatdns, publisher: Publisher, chromium: Browser
) -> None:
    number = server.api.get("catalogue")["feed"]["in_force"]["version"] + 1
    publisher.publish(catalogue(number, *(f"n{one}.example" for one in range(200))))
    look(server)

    def held() -> dict[str, Any] | None:
        waiting: dict[str, Any] | None = server.api.get("catalogue")["feed"]["waiting"]
        return waiting

    waiting = wait_until(held, "the catalogue is held")
    assert "more than a tenth" in waiting["why"]
    assert len(waiting["added"]) == 200
    assert not is_blocked(ask(server.port, "n7.example"))
    shown = run(server, "diff")
    assert shown.returncode == 1
    assert "+ n7.example (newco/chat)" in shown.stdout
    assert "moatdns_feed_waiting 1.0" in server.api.get("/metrics").splitlines()
    with Person(chromium, server) as person:
        shown_on_page = person.log_in("/catalogue").locator("section[aria-labelledby=feed]")
        assert f"Version {number} of acme waits: it changes 201 rules" in shown_on_page.inner_text()
        assert person.faults() == []
    accepted = run(server, "accept")
    assert accepted.returncode == 0, accepted.stderr
    in_force(server, number)
    wait_until(lambda: is_blocked_everywhere(server.port, "n7.example"), "the accepted name is blocked")
    assert held() is None
    publisher.publish(catalogue(number + 1, *(f"n{one}.example" for one in range(150))))
    look(server)
    in_force(server, number + 1)


def test_a_key_is_rotated_and_the_old_one_is_of_no_use_any_more(tmp_path: Path) -> None:
    with Publisher() as publisher:
        old, new = publisher.key, SecretKey.generate()
        publisher.publish(catalogue(1, "first.example"))
        with Moatdns(tmp_path, config(publisher, "auto", old), with_api=True) as server:
            in_force(server, 1)
            server.reload(config(publisher, "auto", old, new))
            publisher.publish(catalogue(2, "second.example"), key=new)
            look(server)
            in_force(server, 2)
            server.reload(config(publisher, "auto", new))
            in_force(server, 2)
            assert is_blocked(ask(server.port, "second.example"))
            publisher.publish(catalogue(3, "third.example"), key=old)
            look(server)
            wait_until(lambda: server.api.get("catalogue")["feed"]["last_error"], "the old key is refused")
            assert not is_blocked(ask(server.port, "third.example"))
            server.expects_trouble = True


def test_under_review_each_waits_and_what_is_in_force_is_there_after_a_restart_without_the_publisher(
    tmp_path: Path,
) -> None:
    with Publisher() as publisher:
        publisher.publish(catalogue(5, "first.example"))
        settings = config(publisher, "review")
        with Moatdns(tmp_path, settings, with_api=True) as server:
            wait_until(lambda: server.api.get("catalogue")["feed"]["waiting"], "the first one waits")
            assert not is_blocked(ask(server.port, "first.example"))
            assert run(server, "accept").returncode == 0
            in_force(server, 5)
            publisher.publish(catalogue(4, "older.example"))
            server.stop()
            publisher.behave = bad.status(500)
            server.start()
            wait_until(lambda: is_blocked_everywhere(server.port, "first.example"), "the last good copy is in force")
            assert server.api.get("catalogue")["feed"]["in_force"]["version"] == 5
            publisher.publish(catalogue(4, "older.example"))
            look(server)
            wait_until(
                lambda: "older than version 5" in (server.api.get("catalogue")["feed"]["last_error"] or ""),
                "the older one is refused",
            )
            server.expects_trouble = True
