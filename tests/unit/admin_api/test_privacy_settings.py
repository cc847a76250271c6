"""Wider privacy settings: a row of the trail for all to see, and, under four eyes, another owner's word."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from admin_api.config_told import ConfigTold
from admin_api.messages import ConfigReading
from admin_api.store import tokens
from resolver.config.privacy import privacy_of
from resolver.config.privacy_file import PRIVACY_FILE, read_agreed
from resolver.config.schema import Config

from .browser import Browser
from .conftest import Served, expect_problem

USUAL = privacy_of(Config())
FULL = {"query_log.identities": "full"}


def reading(number: int, privacy: dict[str, str], held: dict[str, str] | None = None) -> ConfigReading:
    return ConfigReading(1.0, number, {}, "/etc/moatdns.yaml", privacy, held or {})


def file_of(served: Served) -> tuple[int, int] | None:
    """Identity of the file: another one whenever it is written, though a number may be one's of before the last."""
    path = served.context.state_dir / PRIVACY_FILE
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def in_force(served: Served) -> dict[str, str] | None:
    found = read_agreed(served.context.state_dir)
    return None if found is None else found.in_force


async def told(served: Served, *readings: ConfigReading) -> None:
    """Have readings of the config written down."""
    keeper = ConfigTold(served.store_access, served.context.privacy, served.log)  # type: ignore[arg-type]
    before = file_of(served)
    working = asyncio.ensure_future(keeper.run())
    for one in readings:
        keeper.give(one)
    for _ in range(1000):
        if file_of(served) != before and in_force(served) == readings[-1].privacy:
            break
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.wait([working])


async def of_trail(served: Served, action: str, role: str) -> list[tuple[str, Any, Any]]:
    async with served.call("GET", f"audit?action={action}", role=role) as response:
        return [(row["object"], row["before"], row["after"]) for row in (await response.json())["items"]]


@pytest.mark.slow
async def test_what_is_wider_than_before_is_a_row_that_all_roles_see(served: Served) -> None:
    await told(served, reading(1, USUAL), reading(2, USUAL | FULL | {"retention.query_log_days": "7"}))
    row = ("privacy", {"query_log.identities": "pseudonym"}, FULL)
    for role in ("viewer", "operator", "admin"):
        assert await of_trail(served, "widen", role) == [row], role
    async with served.call("GET", "audit?object=config", role="viewer") as response:
        rows = (await response.json())["items"]
        assert len(rows) == 2 and all(row["after"] == {} for row in rows)
    page, _ = await (await Browser.log_in(served, "viewer")).get("/audit?action=widen")
    assert "query_log.identities" in page
    await told(served, reading(3, USUAL | {"retention.query_log_days": "7"}))
    assert len(await of_trail(served, "widen", "viewer")) == 1, "what is narrower is none"


async def test_nothing_waits_and_nothing_is_agreed_to_without_four_eyes(served: Served) -> None:
    await told(served, reading(1, USUAL))
    assert await served.get("privacy-settings") == {"in_force": USUAL, "waits": {}}
    async with served.call("POST", "privacy-settings:widen", {"settings": FULL, "reason": "x"}) as response:
        problem = await expect_problem(response)
    assert (response.status, "no privacy setting waits" in problem["detail"]) == (409, True)


@pytest.fixture
async def waiting(served: Served) -> Served:
    """A server under four eyes, whose config asks for identities, with two owners."""
    await told(served, reading(1, USUAL, FULL))
    async with served.store.change("test") as change:
        for name in ("ana", "ben"):
            _, served.tokens[name] = await tokens.create(change, name=name, owner=name, roles=("admin",))
    object.__setattr__(served.context.settings, "approval", "four-eyes")
    return served


async def test_wider_settings_come_in_force_when_two_owners_agree(waiting: Served) -> None:
    body = {"settings": FULL, "reason": "works agreement 7"}
    assert await waiting.status("POST", "privacy-settings:widen", body, role="operator") == 403
    assert await waiting.status("POST", "privacy-settings:widen", {**body, "reason": ""}, role="ana") == 422
    for other in ({}, {"query_log.clients": "full"}, FULL | {"query_log.what": "all"}):
        assert await waiting.status("POST", "privacy-settings:widen", {**body, "settings": other}, role="ana") in (
            409,
            422,
        )
    async with waiting.call("POST", "privacy-settings:widen", body, role="ana") as response:
        asked = await response.json()
    assert (response.status, asked["status"]) == (202, "pending")
    assert asked["opens"] == ["query_log.identities becomes full, and was pseudonym"]
    found = read_agreed(waiting.context.state_dir)
    assert found is not None
    assert found.agreed == {}, "nothing is agreed to by one"
    approve = f"change-requests/{asked['id']}:approve"
    assert await waiting.status("POST", approve, {}, role="ana") == 403
    assert not hasattr(waiting.context.node, "reloads")
    assert await waiting.status("POST", approve, {}, role="ben") == 200
    assert waiting.context.node.reloads == 1  # type: ignore[attr-defined]
    found = read_agreed(waiting.context.state_dir)
    assert found is not None
    assert (found.in_force, found.agreed) == (USUAL, FULL)
    assert await of_trail(waiting, "agree", "ana") == [
        ("privacy", {"query_log.identities": "pseudonym"}, {**FULL, "reason": "works agreement 7"})
    ]
    await told(waiting, reading(2, USUAL | FULL))
    found = read_agreed(waiting.context.state_dir)
    assert found is not None
    assert (found.limits["query_log.identities"], found.agreed) == ("full", {})
    assert await of_trail(waiting, "widen", "viewer") == [("privacy", {"query_log.identities": "pseudonym"}, FULL)]


async def test_what_is_agreed_to_outlives_a_control_process_and_not_the_config_that_asks(waiting: Served) -> None:
    privacy = waiting.context.privacy
    await privacy.agree(FULL)
    await told(waiting, reading(2, USUAL, FULL))
    found = read_agreed(waiting.context.state_dir)
    assert found is not None
    assert found.agreed == FULL
    await told(waiting, reading(3, USUAL | {"query_log.what": "hits"}))
    await told(waiting, reading(4, USUAL))
    found = read_agreed(waiting.context.state_dir)
    assert found is not None
    assert found.agreed == {}


@pytest.mark.slow
async def test_the_status_page_asks_for_what_waits(waiting: Served) -> None:
    browser = await Browser.log_in(waiting, "ana")
    page, _ = await browser.get("/status")
    assert "Wider privacy settings wait" in page
    (form,) = [form for form in await browser.forms("/status") if form.action == "/status/privacy"]
    _, headers = await browser.send("/status/privacy", {**form.fields, "reason": "works agreement 7"})
    assert headers["Location"].startswith("/changes/")
    page, _ = await (await Browser.log_in(waiting, "viewer")).get("/status")
    assert "Wider privacy settings wait" in page
    assert "/status/privacy" not in page


async def test_an_agreement_that_cannot_be_kept_is_told(waiting: Served, tmp_path: Path) -> None:
    path = waiting.context.state_dir / PRIVACY_FILE
    path.unlink()
    path.mkdir()
    object.__setattr__(waiting.context.settings, "approval", "none")
    async with waiting.call(
        "POST", "privacy-settings:widen", {"settings": FULL, "reason": "x"}, role="ana"
    ) as response:
        problem = await expect_problem(response)
    assert (response.status, PRIVACY_FILE in problem["detail"]) == (503, True)
    path.rmdir()
