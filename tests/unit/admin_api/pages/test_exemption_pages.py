"""Pages of exemptions: which end soon, and what is said of one that is not in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from admin_api.store import exemptions
from tests.unit.admin_api.browsing import Browser
from tests.unit.admin_api.conftest import Served

MANY = 1005  # more than a page of the API has


def facts(ends: datetime, owner: str) -> dict[str, Any]:
    """An active exemption, as the store takes it."""
    return {
        "kind": "client",
        "who": ("10.1.2.3",),
        "scope": ("anthropic",),
        "owner": owner,
        "reason": "a comparison",
        "ticket": None,
        "status": "active",
        "decided_by": "test",
        "starts_at": datetime.now(UTC),
        "expires_at": ends,
        "from_approval_seconds": None,
    }


async def test_all_that_end_soon_are_shown_however_many_came_later(served: Served) -> None:
    now = datetime.now(UTC)
    async with served.store.change("test") as change:
        for owner, hours in (("second to end", 20), ("first to end", 2)):
            await exemptions.create(change, facts(now + timedelta(hours=hours), owner), owner="tests")
        for _ in range(MANY):
            await exemptions.create(change, facts(now + timedelta(days=9), "later"), owner="tests")
    browser = await Browser.log_in(served, "viewer")
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
