"""Every group and every list has its page, whatever it is called."""

from __future__ import annotations

import pytest

from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["groups", "lists"])
async def test_what_is_called_new_has_a_page_and_a_form(served: Served, kind: str) -> None:
    browser = await Browser.log_in(served, "admin")
    page, _ = await browser.get(f"/{kind}:new")
    assert f'<a href="/{kind}" aria-current="page">' in page, "the menu says where that is"
    (making,) = [form for form in await browser.forms(f"/{kind}:new") if form.action == f"/{kind}"]
    _, headers = await browser.send(making.action, {**making.fields, "name": "new", "follows": "yes"})
    address = headers["Location"]
    assert address == f"/{kind}/new"
    page, _ = await browser.get(address)
    assert f"{kind[:-1].capitalize()} new</h1>" in page
    listing, _ = await browser.get(f"/{kind}")
    assert f'href="/{kind}:new"' in listing
    assert f'href="/{kind}/new"' in listing


@pytest.mark.slow
async def test_a_group_called_new_can_be_changed(served: Served) -> None:
    async with served.call("POST", "groups", {"name": "new"}) as response:
        assert response.status == 201, await response.text()
    browser = await Browser.log_in(served, "admin")
    (form,) = [form for form in await browser.forms("/groups/new:edit") if form.action.endswith(":edit")]
    await browser.send(form.action, {**form.fields, "description": "the new ones"})
    assert (await served.get("groups/new"))["description"] == "the new ones"
