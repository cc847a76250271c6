"""Pages of exemptions: which end soon, and what is said of one that is not in force."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from admin_api.store import exemptions
from admin_api.store.exemptions import NewExemption
from tests.unit.admin_api.browser import Browser, forms_of
from tests.unit.admin_api.conftest import Served

MANY = 1005  # more than a page of the API has


def facts(ends: datetime, owner: str) -> NewExemption:
    return NewExemption(
        kind="client",
        who=("10.1.2.3",),
        scope=("anthropic",),
        owner=owner,
        reason="a comparison",
        ticket=None,
        status="active",
        decided_by="test",
        starts_at=datetime.now(UTC),
        expires_at=ends,
        from_approval_seconds=None,
    )


@pytest.mark.slow
async def test_all_that_end_soon_are_shown_however_many_came_later(served: Served) -> None:
    now = datetime.now(UTC)
    async with served.store.change("test") as change:
        for owner, hours in (("second to end", 20), ("first to end", 2)):
            await exemptions.create(change, facts(now + timedelta(hours=hours), owner), owner="tests")
        for _ in range(MANY):
            await exemptions.create(change, facts(now + timedelta(days=9), "later"), owner="tests")
    browser = await Browser.log_in(served, "investigating-viewer")
    page, _ = await browser.get("/exemptions?status=soon")
    assert "later" not in page
    assert 0 < page.index("first to end") < page.index("second to end")


async def test_the_api_lists_those_that_end_before_a_moment(served: Served) -> None:
    now = datetime.now(UTC)
    async with served.store.change("test") as change:
        for hours in (1, 2, 3):
            await exemptions.create(change, facts(now + timedelta(hours=hours), f"in {hours} h"), owner="tests")
    before = (now + timedelta(hours=2, minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    listed = (await served.get(f"exemptions?status=active&ending_before={before}"))["items"]
    assert [each["owner"] for each in listed] == ["in 2 h", "in 1 h"]
    assert await served.status("GET", "exemptions?ending_before=soon") == 422


async def grant(browser: Browser, **more: str) -> tuple[str, str]:
    """Grant one on its page: its address, and what the page says then."""
    (form,) = [form for form in await browser.forms("/exemptions/new") if form.action == "/exemptions"]
    fields = {**form.fields, "subject": "10.1.2.3", "scope": "anthropic", "reason": "a comparison", **more}
    _, headers = await browser.send(form.action, fields)
    address = headers["Location"]
    return address, await notice(browser, address)


async def notice(browser: Browser, address: str) -> str:
    """What a page says once."""
    page, _ = await browser.get(address)
    return " ".join(re.findall(r'role="status">\s*(.*?)\s*</', page))


async def act(browser: Browser, address: str, action: str, **more: str) -> str:
    """Do something with an exemption on its page: what the page says then."""
    (form,) = [form for form in await browser.forms(address) if form.action == f"{address}/{action}"]
    await browser.send(form.action, {**form.fields, **more})
    return await notice(browser, address)


async def test_an_exemption_is_said_to_be_in_force_when_it_is(served: Served) -> None:
    browser = await Browser.log_in(served, "operator")
    _, said = await grant(browser)
    assert said.endswith("is in force.")


async def test_an_exemption_of_tomorrow_is_not_said_to_be_in_force(served: Served) -> None:
    browser = await Browser.log_in(served, "operator")
    at = datetime.now(UTC) + timedelta(days=1)
    address, said = await grant(browser, starts_at=f"{at:%Y-%m-%dT%H:%M}")
    assert said.endswith(f"is granted, and begins at {at:%Y-%m-%d %H:%M} UTC.")
    said = await act(browser, address, "renew", duration_seconds="604800")
    assert said.endswith(f"is renewed, and begins at {at:%Y-%m-%d %H:%M} UTC.")


async def test_what_some_worker_lacks_is_not_said_to_be_in_force(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_yet(_: int) -> bool:
        return False

    monkeypatch.setattr(served.context.subjects, "wait_until_in_force", not_yet)
    browser = await Browser.log_in(served, "operator")
    lacks = "It is stored, but not in force in every worker yet."
    address, said = await grant(browser)
    assert said.endswith(f"is granted. {lacks}")
    assert (await act(browser, address, "renew")).endswith(f"is renewed. {lacks}")
    assert (await act(browser, address, "revoke")).endswith(f"is revoked. {lacks}")


async def test_a_refusal_keeps_the_reason_and_leaves_other_forms_alone(served: Served) -> None:
    browser = await Browser.log_in(served, "operator")
    address, _ = await grant(browser)
    before = {form.action: form for form in await browser.forms(address)}
    sent = {**before[f"{address}/revoke"].fields, "reason": "the project is over", "version": '"99"'}
    page, _ = await browser.send(f"{address}/revoke", sent, status=412)
    after = {form.action: form for form in forms_of(page)}
    assert after[f"{address}/revoke"].fields["reason"] == "the project is over"
    chosen = before[f"{address}/renew"].fields["duration_seconds"]
    assert chosen not in ("", before[f"{address}/renew"].choices["duration_seconds"][0])
    assert after[f"{address}/renew"].fields["duration_seconds"] == chosen
