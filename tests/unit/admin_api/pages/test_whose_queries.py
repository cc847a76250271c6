"""Rows of the query log with whose they were: on its page, and found by name by those alone whom the config lets."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from admin_api.query_log.reader import LogPage
from resolver.telemetry.pseudonyms import SECRETS_FILE, new_period, write_periods
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

from .test_ways_round import logged

ANA, PSEUDONYM = "ana@corp.example", "~aaaaaaaaaaaaaaaa"


def let_find(served: Served, found_by: str) -> None:
    """As `query_log.pseudonyms_found_by` does."""
    context: Any = served.context
    object.__setattr__(context, "settings", replace(context.settings, pseudonyms_found_by=found_by))


async def test_a_row_names_who_it_was_and_leads_to_all_of_theirs(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [logged("claude.ai", "anthropic/claude") | {"identity": "<ana>"}]

    async def page(*_: Any, **__: Any) -> LogPage:
        return LogPage(rows, None)

    monkeypatch.setattr(served.context.query_log, "page", page)
    browser = await Browser.log_in(served, "investigating-operator")
    text, _ = await browser.get("/queries?verdict=block")
    assert "&lt;ana&gt;" in text
    assert "<ana>" not in text
    assert "identity=%3Cana%3E" in text
    assert "Exempt…" in text
    rows[0]["client"] = PSEUDONYM
    text, _ = await browser.get("/queries")
    assert "Exempt…" not in text  # a pseudonym has no exemptions
    assert "client=~aaaaaaaaaaaaaaaa" in text  # but rows
    await browser.give_reason("/queries?identity=ben")
    (form,) = [form for form in await browser.forms("/queries?identity=ben") if "verdict" in form.fields]
    assert form.fields["identity"] == "ben"


@pytest.mark.parametrize(
    ("found_by", "role", "finds"),
    [
        ("admin", "admin", True),
        ("admin", "investigating-operator", False),
        ("admin", "investigating-viewer", False),
        ("nobody", "admin", False),
    ],
)
async def test_a_name_finds_its_pseudonyms_for_whom_the_config_says(
    served: Served, monkeypatch: pytest.MonkeyPatch, found_by: str, role: str, finds: bool
) -> None:
    period = new_period(1_763_942_400, 7)
    (served.context.state_dir / SECRETS_FILE).write_text(write_periods([period]))
    asked: list[dict[str, frozenset[str]]] = []

    async def page(*_: Any, aliases: dict[str, frozenset[str]], **__: Any) -> LogPage:
        asked.append(aliases)
        return LogPage([], None)

    monkeypatch.setattr(served.context.query_log, "page", page)
    let_find(served, found_by)
    async with served.call("GET", f"queries?identity={ANA}&client=10.0.0.1&reason=test", role=role) as response:
        assert response.status == 200
    both = {"identity": {period.of("identity", ANA)}, "client": {period.of("client", "10.0.0.1")}}
    assert asked == [both if finds else {}]


async def test_a_name_in_another_spelling_finds_the_same(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    period = new_period(1_763_942_400, 7)
    (served.context.state_dir / SECRETS_FILE).write_text(write_periods([period]))
    asked: list[dict[str, frozenset[str]]] = []

    async def page(*_: Any, aliases: dict[str, frozenset[str]], **__: Any) -> LogPage:
        asked.append(aliases)
        return LogPage([], None)

    monkeypatch.setattr(served.context.query_log, "page", page)
    for found_by in ("nobody", "admin"):
        let_find(served, found_by)
        async with served.call("GET", "queries?identity=Ana@Corp.Example&client=2001:DB8::0:7&reason=test") as response:
            assert response.status == 200
    plain = {"identity": {ANA}, "client": {"2001:db8::7"}}
    pseudonyms = {"identity": {period.of("identity", ANA)}, "client": {period.of("client", "2001:db8::7")}}
    assert asked == [plain, {name: plain[name] | pseudonyms[name] for name in plain}]


async def test_what_is_no_address_leads_to_rows_and_to_no_form_for_addresses(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"10.0.0.1": False, "2001:db8::7": False, PSEUDONYM: False, "10.9.9.0/24": False, "other": True}

    async def top(by: str, *_: Any) -> list[dict[str, Any]]:
        hits = {"blocked": 1, "monitored": 0, "exempted": 0}
        return [{"key": key, "rest": is_rest, **hits} for key, is_rest in keys.items()]

    monkeypatch.setattr(served.context.statistics, "top", top)
    browser = await Browser.log_in(served, "admin")
    await browser.give_reason("/clients?persons=yes")
    text, _ = await browser.get("/clients")
    asked = [parse_qs(urlsplit(unescape(link)).query) for link in re.findall(r'href="(/[^"]+)"', text)]
    assert {one["client"][0] for one in asked if "range" in one} == {key for key in keys if not keys[key]}
    assert {one["client"][0] for one in asked if "client" in one and "range" not in one} == {"10.0.0.1", "2001:db8::7"}
    assert {one["address"][0] for one in asked if "address" in one} == {"10.0.0.1", "2001:db8::7"}


@pytest.mark.parametrize("client", [PSEUDONYM, "10.9.9.0/24", ""])
async def test_a_row_without_an_address_offers_no_exemption_for_one(
    served: Served, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    async def page(*_: Any, **__: Any) -> LogPage:
        return LogPage([logged("claude.ai", "anthropic/claude") | {"client": client}], None)

    monkeypatch.setattr(served.context.query_log, "page", page)
    text, _ = await (await Browser.log_in(served, "admin")).get("/queries")
    assert "Exempt…" not in text
    assert "/check?name=claude.ai&amp;type=A" in text


@pytest.mark.parametrize("kept", ["full", "network", "pseudonym", "hidden"])
async def test_a_forecast_says_what_its_clients_are(served: Served, kept: str) -> None:
    context: Any = served.context
    object.__setattr__(context, "settings", replace(context.settings, clients=kept))
    assert (await served.get("reports/forecast"))["clients_are"] == kept


async def test_secrets_that_cannot_be_read_are_told(served: Served) -> None:
    (served.context.state_dir / SECRETS_FILE).write_text("nonsense\n")
    let_find(served, "admin")
    async with served.call("GET", f"queries?identity={ANA}&reason=test") as response:
        assert response.status == 503
        assert "line 1 is no period with its secret" in await response.text()
