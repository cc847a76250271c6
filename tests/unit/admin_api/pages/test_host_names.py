"""Host names beside addresses: in replies and on pages, not where a row says whose it was, nor for every caller."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.query_log.reader import LogPage
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

from .test_ways_round import logged

CLIENT, HOST = "127.0.77.5", "laptop<7>.corp.example"
ESCAPED = "laptop&lt;7&gt;.corp.example"


@pytest.fixture
async def office(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A client with a host name in the log, in the ranking and in an exemption."""
    rows = [
        logged("claude.ai", "anthropic/claude") | {"client": CLIENT, "name": name, **whose}
        for name, whose in (("of-nobody.example", {}), ("of-ana.example", {"identity": "ana@corp.example"}))
    ]

    async def page(*_: Any, **__: Any) -> LogPage:
        return LogPage([dict(row) for row in rows], None)

    async def top(by: str, *_: Any) -> list[dict[str, Any]]:
        return [
            {"key": key, "rest": key == "other", "blocked": 1, "monitored": 0, "exempted": 0}
            for key in (CLIENT, "other")
        ]

    monkeypatch.setattr(served.context.query_log, "page", page)
    monkeypatch.setattr(served.context.statistics, "top", top)
    served.context.host_names.local = lambda: {CLIENT: HOST}
    exemption = {"subject": {"clients": [CLIENT, "127.0.77.6"]}, "scope": ["anthropic"], "owner": "o", "reason": "r"}
    assert await served.status("POST", "exemptions", {**exemption, "duration_seconds": 3600}) == 201
    return served


async def test_replies_have_the_host_name_of_an_address_where_no_row_says_whose_it_was(office: Served) -> None:
    rows = (await office.get("queries"))["items"]
    assert [(row["name"], row["client_host"]) for row in rows] == [
        ("of-nobody.example", HOST),
        ("of-ana.example", None),
    ]
    tops = (await office.get("stats/top?by=client&reason=a+test"))["items"]
    assert [(item["key"], item["client_host"]) for item in tops] == [(CLIENT, HOST), ("other", None)]
    assert {item["client_host"] for item in (await office.get("stats/top?by=domain"))["items"]} == {None}
    assert (await office.get(f"explain?name=claude.ai&client={CLIENT}"))["client_host"] == HOST
    assert (await office.get("explain?name=claude.ai&client=127.0.77.6"))["client_host"] is None
    (listed,) = (await office.get("exemptions"))["items"]
    assert listed["client_hosts"] == {CLIENT: HOST}
    assert (await office.get(f"exemptions/{listed['id']}"))["client_hosts"] == {CLIENT: HOST}
    assert await office.status("PUT", f"leases/{CLIENT}", {"identity": "ana", "ttl_seconds": 60}) == 201
    explained = await office.get(f"explain?name=claude.ai&client={CLIENT}")
    assert (explained["identity"], explained["client_host"]) == ("ana", None)


async def test_pages_show_it_beside_the_address_and_escape_it(office: Served) -> None:
    number = (await office.get("exemptions"))["items"][0]["id"]
    browser = await Browser.log_in(office, "admin")
    await browser.give_reason("/?persons=yes")
    for address in ("/", "/queries", "/clients", "/exemptions", f"/exemptions/{number}"):
        page, _ = await browser.get(address)
        assert f'<span class="dim">{ESCAPED}</span>' in page, address
        assert HOST not in page, address
    page, _ = await browser.get(f"/check?name=claude.ai&client={CLIENT}")
    assert f'{CLIENT} <span class="dim">{ESCAPED}</span>' in page


async def test_for_a_caller_who_may_not_see_clients_no_name_is_looked_up(
    office: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = (await office.get("exemptions"))["items"][0]["id"]

    async def of(*_: Any) -> dict[str, str]:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(type(office.context.host_names), "of", of)
    for path in ("queries", "stats/top?by=domain", "exemptions", f"exemptions/{number}", "explain?name=claude.ai"):
        async with office.call("GET", path, role="viewer") as response:
            assert response.status == 200, path
            assert HOST not in await response.text()
