"""A forecast in words, as the command prints it."""

from __future__ import annotations

from typing import Any

import pytest

from moatdns.cli.forecast import print_forecast


def group(**more: Any) -> dict[str, Any]:
    service = {"service": "acme/chat", "list": None, "queries": 22, "clients": 2}
    names = [{"name": f"n{number}.example", **service} for number in range(12)]
    usual = {
        "group": "staff", "queries": 22, "clients": {"hit": 2, "seen": 8, "seen_in": "group", "share": 0.25},
        "services": [service], "names": names, "names_left_out": 30,
        "top_clients": [{"client": "10.0.0.1", "services": 1, "queries": 20}],
        "requests": [{"scope": "acme/chat", "clients": 1, "queries": 22}],
    }  # fmt: skip
    return {**usual, **more}


def printed(capsys: pytest.CaptureFixture[str], *groups: dict[str, Any]) -> list[str]:
    found = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-15T00:00:00Z", "groups": list(groups)}
    print_forecast({**found, "cannot_show": ["the log begins later"]})
    return capsys.readouterr().out.splitlines()


def test_it_says_who_would_be_hit_and_how_many_names_it_does_not_show(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, group())
    assert lines[1] == "staff: 2 clients, 25.0% of 8 in the group; 22 queries would be blocked"
    assert "  service acme/chat: 2 clients, 22 queries" in lines
    assert "  name n9.example: 2 clients, 22 queries" in lines
    assert "  and 32 names more" in lines
    assert "  client 10.0.0.1: 1 services, 20 queries" in lines
    assert lines[-1] == "note: the log begins later"


def test_where_clients_are_hidden_it_counts_queries(capsys: pytest.CaptureFixture[str]) -> None:
    hidden = {"hit": None, "seen": None, "seen_in": "node", "share": None}
    lines = printed(capsys, group(clients=hidden, top_clients=[]))
    assert lines[1] == "staff: clients not known; 22 queries would be blocked"
    assert printed(capsys)[1] == "no group has queries in the log of that time"
