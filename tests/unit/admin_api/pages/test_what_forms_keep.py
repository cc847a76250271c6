"""Forms that are sent without a change change nothing, whatever writing is in them."""

from __future__ import annotations

import pytest

from tests.unit.admin_api.browser import Browser, forms_of
from tests.unit.admin_api.conftest import Served

JOINED = "👩\u200d💻 and نامه\u200cها \u200f"
"""With joiners that emoji and Persian are written with, and a mark of direction."""


@pytest.mark.slow
async def test_a_group_is_saved_with_the_description_that_it_had(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    description = JOINED.strip()
    async with served.call("POST", "groups", {"name": "staff", "description": description}) as response:
        assert response.status == 201, await response.text()
    (form,) = [form for form in await browser.forms("/groups/staff:edit") if form.action.endswith(":edit")]
    assert form.fields["description"] == description
    await browser.send("/groups/staff:edit", form.fields)
    assert (await served.get("groups/staff"))["description"] == description


@pytest.mark.slow
async def test_client_names_are_told_apart_by_lines_and_not_by_commas(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    async with served.call("POST", "groups", {"name": "staff", "client_names": ["kiosk-7"]}) as response:
        assert response.status == 201, await response.text()
    (form,) = [form for form in await browser.forms("/groups/staff:edit") if form.action.endswith(":edit")]
    several = "proved:spiffe://corp.example/a\r\n\r\n Kiosk-7 \r\n"
    await browser.send("/groups/staff:edit", {**form.fields, "client_names": several})
    kept = ["proved:spiffe://corp.example/a", "kiosk-7"]
    assert (await served.get("groups/staff"))["client_names"] == kept
    (form,) = [form for form in await browser.forms("/groups/staff:edit") if form.action.endswith(":edit")]
    for one_line in ("proved:urn:x,kiosk-9", "proved:a@x.example,proved:b@x.example", "kiosk-8, kiosk-9"):
        page, _ = await browser.send("/groups/staff:edit", {**form.fields, "client_names": one_line}, status=422)
        assert one_line in page
        assert ("has a comma" if "proved:" in one_line else "is not a client name") in page
    assert (await served.get("groups/staff"))["client_names"] == kept


async def test_a_document_that_is_planned_is_what_is_applied(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    async with served.call("POST", "groups", {"name": "staff", "description": JOINED}) as response:
        assert response.status == 201, await response.text()
        tag = response.headers["ETag"]
    text, _ = await browser.get("/policy/export.yaml")
    assert await served.status("DELETE", "groups/staff", If_Match=tag) == 204
    (planning,) = [form for form in await browser.forms("/policy/document") if "document" in form.fields]
    page, _ = await browser.send(planning.action, {**planning.fields, "document": text}, status=200)
    (applying,) = [form for form in forms_of(page) if form.action == "/policy/apply"]
    await browser.send(applying.action, applying.fields)
    assert (await served.get("groups/staff"))["description"] == JOINED.strip()


async def test_a_lease_of_somebody_whose_name_has_joiners_can_be_ended(served: Served) -> None:
    browser = await Browser.log_in(served, "operator")
    async with served.call("PUT", "leases/10.9.8.7", {"identity": "نامه\u200cها", "ttl_seconds": 600}) as response:
        assert response.status == 201, await response.text()
    (ending,) = [form for form in await browser.forms("/clients") if form.fields.get("do") == "end"]
    assert ending.fields["identity"] == "نامه\u200cها"
    await browser.send(ending.action, ending.fields)
    assert (await served.get("leases"))["items"] == []
