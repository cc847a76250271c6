"""Rows of the query log with whose they were: on its page, and found by name by those alone whom the config lets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
    async with served.call("GET", f"queries?identity={ANA}&client=10.0.0.1", role=role) as response:
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
        async with served.call("GET", "queries?identity=Ana@Corp.Example&client=2001:DB8::0:7") as response:
            assert response.status == 200
    plain = {"identity": {ANA}, "client": {"2001:db8::7"}}
    pseudonyms = {"identity": {period.of("identity", ANA)}, "client": {period.of("client", "2001:db8::7")}}
    assert asked == [plain, {name: plain[name] | pseudonyms[name] for name in plain}]


async def test_secrets_that_cannot_be_read_are_told(served: Served) -> None:
    (served.context.state_dir / SECRETS_FILE).write_text("nonsense\n")
    let_find(served, "admin")
    async with served.call("GET", f"queries?identity={ANA}") as response:
        assert response.status == 503
        assert "line 1 is no period with its secret" in await response.text()
