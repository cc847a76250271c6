"""Lists that are fetched, from a real HTTP server that also fails in all the ways servers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import feed as served
from tests.support.clients import ask, is_blocked, is_blocked_everywhere
from tests.support.feed import Feed
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until

CONFIG: dict[str, Any] = {
    "workers": 2,
    "upstream": {"servers": ["127.0.0.1:1"]},
    "subscriptions": {"max_mib": 1, "timeout_seconds": 3},
}
NAMES = [f"n{number}.feed.example" for number in range(100)]
LIST = "\n".join(f"||{name}^" for name in NAMES).encode()


def blocked(server: Moatdns, name: str) -> bool:
    return is_blocked(ask(server.port, name))


def item(server: Moatdns, name: str = "feed") -> dict[str, Any]:
    found: dict[str, Any] = server.api.get(f"lists/{name}")
    return found


def refresh(server: Moatdns, name: str = "feed") -> dict[str, Any]:
    """Fetch now, and wait for what the answer promised."""
    revision = server.api.post(f"lists/{name}:refresh", {}, status=202)["revision"]
    wait_until(lambda: server.api.get("status")["policy"]["revision"] >= revision, "the refresh is done", seconds=20)
    return item(server, name)


def test_a_list_is_fetched_and_whatever_its_server_does_the_last_good_copy_stays(tmp_path: Path) -> None:
    with Feed(LIST) as feed, Moatdns(tmp_path, CONFIG, with_api=True) as server:
        made = server.api.post("lists", {"name": "feed", "url": feed.url, "allow_private": True})
        assert (made["kind"], made["url"]) == ("subscription", feed.url)
        wait_until(lambda: is_blocked_everywhere(server.port, NAMES[0]), "the list is in force", seconds=20)
        found = item(server)
        assert (found["rules"], found["last_error"], found["refresh"]["report"]["format"]) == (100, None, "adblock")
        assert found["last_success_at"] is not None

        for behave, said in (
            (served.status(404), "the server answered 404"),
            (served.status(500), "the server answered 500"),
            (served.hang, "it took longer than 3 s"),
            (served.drip, "it took longer than 3 s"),
            (served.half, "is truncated"),
            (served.page, "a web page"),
            (served.bomb, "larger than 4 MiB when unpacked"),
            (served.too_large, "more than the 1 MiB"),
            (served.redirect("file:///etc/passwd"), "other than http or https"),
            (served.redirect("/list.txt"), "redirected more than 5 times"),
        ):
            feed.behave = behave
            failed = refresh(server)
            assert said in failed["last_error"]
            assert failed["rules"] == 100
            assert blocked(server, NAMES[99])
        metrics = server.api.get("/metrics")
        assert 'moatdns_list_failing{list="feed"} 1.0' in metrics

        feed.behave = served.serve
        feed.content = LIST + b"\n||new.feed.example^"
        found = refresh(server)
        assert (found["rules"], found["last_error"]) == (101, None)
        assert blocked(server, "new.feed.example")
        refresh(server)
        assert "if-none-match" in feed.requests[-1], "an unchanged list is not sent again"
        assert 'moatdns_list_failing{list="feed"} 0.0' in server.api.get("/metrics")

        server.stop()  # and starts without its server
        feed.behave = served.status(503)
        server.start()
        assert blocked(server, "new.feed.example")
        server.api.delete("lists/feed")
        assert not blocked(server, "new.feed.example")


def test_a_list_that_loses_over_half_is_not_believed_unless_somebody_asks_for_it(tmp_path: Path) -> None:
    config = CONFIG | {"policy": {"lists": [{"name": "feed", "url": "URL", "allow_private": True}]}}
    with Feed(LIST) as feed:
        config["policy"]["lists"][0]["url"] = feed.url
        with Moatdns(tmp_path, config, with_api=True) as server:
            wait_until(lambda: is_blocked_everywhere(server.port, NAMES[0]), "the list is in force", seconds=20)
            assert item(server)["origin"] == "file"
            assert server.api.call("POST", "lists/feed/rules", {"block": ["a.example"]}).status == 409
            assert server.api.call("PATCH", "lists/feed", {"enabled": False}).status == 409
            feed.content = LIST[: len(LIST) // 3]
            server.stop()
            set_back = tmp_path / "state" / "moatdns.sqlite"
            _make_due(set_back)
            server.start()
            wait_until(lambda: item(server)["last_error"] is not None, "the list has an error", seconds=20)
            assert "loses more than half" in item(server)["last_error"]
            assert blocked(server, NAMES[99])
            assert refresh(server)["last_error"] is None
            assert not blocked(server, NAMES[99])
            assert blocked(server, NAMES[0])
            for path in (tmp_path / "state" / "lists").glob("*.rules"):
                path.unlink()
            wait_until(lambda: server.events_named("the copy of a list is gone from the disk"), "it is noticed")
            wait_until(lambda: item(server)["last_error"] is None, "the list is fetched anew", seconds=20)
            wait_until(lambda: is_blocked_everywhere(server.port, NAMES[0]), "the list is in force", seconds=20)


def _make_due(store: Path) -> None:
    import sqlite3

    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE lists SET last_success_at = last_success_at - 200000000000")
    connection.close()


def test_private_addresses_are_read_only_when_allowed(tmp_path: Path) -> None:
    wild = b"\n||lbs-*.elb.feed.example^\n-ads.feed.example^\n@@||lbs-9*.elb.feed.example^\n"
    with Feed(LIST + wild) as feed, Moatdns(tmp_path, CONFIG, with_api=True) as server:
        refused = server.api.call("POST", "lists", {"name": "feed", "url": feed.url})
        assert refused.status == 422
        assert refused.body["errors"][0]["pointer"] == "/url"
        server.api.post("lists", {"name": "feed", "url": f"http://localhost:{feed.port}/list.txt"})
        wait_until(lambda: item(server)["last_error"] is not None, "the list has an error", seconds=20)
        assert "no public address" in item(server)["last_error"]
        assert feed.requests == []
        assert server.api.call("PATCH", "lists/feed", {"allow_private": True}).status == 200
        wait_until(lambda: is_blocked_everywhere(server.port, NAMES[0]), "the list is in force", seconds=20)
        names = ("lbs-1.region.elb.feed.example", "lbs-.elb.feed.example", "x-ads.feed.example")
        assert [blocked(server, name) for name in names] == [True] * 3
        assert not blocked(server, "lbs-9.region.elb.feed.example")
        assert server.api.get(f"explain?name={names[0]}")["rule"] == "lbs-**.elb.feed.example"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://lists.example/a", "block": ["a.example"]}, "/block"),
        ({"url": "ftp://lists.example/a"}, "/url"),
        ({"url": "https://u:p@lists.example/a"}, "/url"),
        ({"url": "https://lists.example/a", "format": "csv"}, "/format"),
        ({"url": "https://lists.example/a", "refresh_seconds": 1}, "/refresh_seconds"),
        ({"url": "https://lists.example/a", "sha256": "00"}, "/sha256"),
    ],
)
def test_a_wrong_subscription_is_told_by_field(one_server: Moatdns, body: dict[str, Any], pointer: str) -> None:
    refused = one_server.api.call("POST", "lists", {"name": "wrong", **body})
    assert refused.status == 422, refused
    assert [error["pointer"] for error in refused.body["errors"]] == [pointer]


def test_a_list_of_ones_own_cannot_be_fetched_nor_turned_into_one(one_server: Moatdns) -> None:
    one_server.api.post("lists", {"name": "own", "block": ["a.example"]})
    assert one_server.api.call("POST", "lists/own:refresh", {}).status == 409
    assert one_server.api.call("PATCH", "lists/own", {"url": "https://lists.example/a"}).status == 422


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Moatdns(tmp_path_factory.mktemp("one"), CONFIG, with_api=True) as server:
        yield server


def test_a_pinned_list_is_taken_only_as_it_was(tmp_path: Path) -> None:
    import hashlib

    pin = hashlib.sha256(LIST).hexdigest()
    with Feed(LIST) as feed, Moatdns(tmp_path, CONFIG, with_api=True) as server:
        server.api.post("lists", {"name": "feed", "url": feed.url, "allow_private": True, "sha256": pin})
        wait_until(lambda: is_blocked_everywhere(server.port, NAMES[0]), "the list is in force", seconds=20)
        feed.content = LIST + b"\n||evil.example^"
        assert "not the pinned one" in refresh(server)["last_error"]
        assert not blocked(server, "evil.example")
        assert blocked(server, NAMES[0])
