"""Ways around the resolver: no exemption opens them, so no page offers one, and none can be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from admin_api.query_log.reader import LogPage
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served
from tests.unit.bundled import bundled_catalogue

SENTENCE = "stays blocked for everybody"


def logged(name: str, service: str) -> dict[str, Any]:
    """A row of the query log."""
    row = dict.fromkeys(("list", "rule", "exemption"))
    return {
        **row,
        "at": "2026-03-01T12:00:00Z",
        "client": "10.0.0.1",
        "group": "default",
        "name": name,
        "type": "A",
        "rcode": "NOERROR",
        "verdict": "block",
        "service": service,
        "protocol": "udp",
        "duration_ms": 0.1,
    }


async def test_a_check_of_a_way_round_says_that_it_stays_closed(served: Served) -> None:
    browser = await Browser.log_in(served, "investigating-operator")
    page, _ = await browser.get("/check?name=dns.google&client=127.0.0.9")
    assert SENTENCE in page
    assert 'action="/exemptions"' not in page
    page, _ = await browser.get("/check?name=claude.ai&client=127.0.0.9")
    assert SENTENCE not in page
    assert 'action="/exemptions"' in page


async def test_the_query_log_offers_no_exemption_for_a_way_round(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Mapping[str, Any]] = [logged("dns.google", "bypass/doh"), logged("claude.ai", "anthropic/claude")]

    async def page(*_: Any, **__: Any) -> LogPage:
        return LogPage(rows, None)

    monkeypatch.setattr(served.context.query_log, "page", page)
    browser = await Browser.log_in(served, "investigating-operator")
    text, _ = await browser.get("/queries")
    assert text.count("Why?") == 2
    assert text.count("Exempt…") == 1
    assert "scope=anthropic%2Fclaude" in text


def test_ways_round_and_other_services_share_no_names() -> None:
    """What is refused to exemptions would be too much otherwise."""
    domains = bundled_catalogue().domains
    ways_round = [domain.rule for domain in domains if domain.service.startswith("bypass/")]
    others = [domain.rule for domain in domains if not domain.service.startswith("bypass/")]
    assert len(ways_round) > 50
    assert [(way.text, rule.text) for way in ways_round for rule in others if rule.key and way.covers(rule.key)] == []
