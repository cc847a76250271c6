"""Pages that account for what was done, where there is more of it than a page or a file holds."""

from __future__ import annotations

import json
import re

import pytest

from admin_api.store.heads import Head, append_head

from .browser import Browser, forms_of
from .conftest import Served

ROWS = 10_050


@pytest.mark.slow
async def test_a_long_trail_is_downloaded_in_files_that_join(served: Served) -> None:
    async with served.store.change("somebody") as change:
        for number in range(ROWS):
            change.record("test", f"things/{number}", None, {"number": number})
    browser = await Browser.log_in(served, "investigating-viewer")
    page, _ = await browser.get("/audit")
    newest = int(re.findall(r"newest row is number (\d+)", page)[0])
    assert newest >= ROWS
    assert f'name="after_id" type="number" min="0" max="{newest}" value="{newest - 10_000}"' in page
    first, headers = await browser.get("/audit/export.jsonl")
    assert headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
    rows = [json.loads(line)["id"] for line in first.splitlines()]
    assert len(rows) == 10_000
    rest, _ = await browser.get(f"/audit/export.jsonl?after_id={rows[-1]}")
    rows += [json.loads(line)["id"] for line in rest.splitlines()]
    assert rows == list(range(1, newest + 1))
    text, _ = await browser.get("/audit/export.jsonl?after_id=-1", status=422)
    assert "after_id" in text


@pytest.mark.slow
async def test_a_row_with_very_much_in_it_is_a_short_page(served: Served) -> None:
    async with served.store.change("somebody") as change:
        change.record("test", "things/large", None, {f"key-{number}": "x" * 1000 for number in range(5000)})
    browser = await Browser.log_in(served, "investigating-viewer")
    page, _ = await browser.get("/audit?object=things/large")
    assert "and more" in page
    assert len(page) < 400_000


async def test_the_status_page_asks_for_a_part_of_itself_and_gets_only_that(served: Served) -> None:
    browser = await Browser.log_in(served, "investigating-viewer")
    whole, _ = await browser.get("/status")
    part, _ = await browser.get("/status", HX_Request="true")
    assert "<h1>" in whole
    assert "<h1>" not in part
    assert "<html" not in part
    assert 'id="s-workers"' in part
    assert "clients" in part, "what was dropped"


async def test_a_refused_form_leaves_the_boxes_of_other_forms_ticked(served: Served) -> None:
    browser = await Browser.log_in(served, "operator")
    before = {form.action: form for form in await browser.forms("/status") if "below" in form.fields}["/status/flush"]
    page, _ = await browser.send("/status/webhooks-test", {"csrf": before.fields["csrf"]}, status=403)
    (after,) = [form for form in forms_of(page) if form.action == "/status/flush" and "name" in form.fields]
    assert after.fields == before.fields
    unticked = {name: value for name, value in {**before.fields, "name": "..bad"}.items() if name != "below"}
    page, _ = await browser.send("/status/flush", unticked, status=422)
    (after,) = [form for form in forms_of(page) if form.action == "/status/flush" and "name" in form.fields]
    assert after.fields == unticked


async def test_days_of_reports_are_said_to_be_days_of_utc(served: Served) -> None:
    browser = await Browser.log_in(served, "investigating-viewer")
    for report in ("exemptions", "usage"):
        page, _ = await browser.get(f"/reports/{report}")
        assert "from the day (UTC)</label>" in page
        assert "to the day (UTC)</label>" in page
        assert page.index("data-zoned") < page.index("<time")


async def test_a_store_that_is_away_is_told_instead_of_a_page(served: Served) -> None:
    browser = await Browser.log_in(served, "investigating-viewer")
    served.store_access.trouble = "the disk is full"
    text, _ = await browser.get("/status", status=503)
    assert "he disk is full" in text


async def test_pages_for_admins_are_closed_to_others_and_to_nobody(served: Served) -> None:
    for role in ("viewer", "operator"):
        browser = await Browser.log_in(served, role)
        text, _ = await browser.get("/tokens", status=403)
        assert "a-admin" not in text
    async with served.session.get(served.url + "/tokens", allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"].startswith("/login")
    async with served.session.get(served.url + "/reports/usage.csv", allow_redirects=False) as response:
        assert response.status == 303


async def test_an_admin_acknowledges_lost_audit_rows_on_their_page(served: Served) -> None:
    append_head(served.store_folder, Head(99, "ab", served.store.id))
    await served.context.audit_heads.note()
    viewer, admin = await Browser.log_in(served, "viewer"), await Browser.log_in(served, "admin")
    for browser, may in ((viewer, False), (admin, True)):
        page, _ = await browser.get("/audit")
        assert "lacks rows that existed" in page
        assert ("/audit/acknowledge" in page) is may
    await viewer.send("/audit/acknowledge", {"reason": "mine"}, status=403)
    page, _ = await admin.send("/audit/acknowledge", {"reason": ""}, status=422)
    assert "lacks rows" in page
    await admin.send("/audit/acknowledge", {"reason": "restored"})
    page, _ = await admin.get("/audit")
    assert "lacks rows" not in page
    assert (await served.get("audit?limit=1"))["items"][0]["after"] == {
        "reason": "restored",
        "lost_heads": [[99, "ab"]],
    }
