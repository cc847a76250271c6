"""Pages of a policy that is as large as it may be: no choice is lost, and no form is too much."""

from __future__ import annotations

import pytest

from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

LISTS, GROUPS = 750, 1050
LAST = "staff"  # by name, behind all the others


@pytest.fixture
async def large(served: Served) -> Served:
    """More groups than a page of the API has, and more lists than a form had fields for; `default` blocks nothing."""
    policy = {
        "lists": [{"name": f"list-{number:04}"} for number in range(LISTS)],
        "groups": [
            *({"name": f"a-{number:04}", "block": ["ai"]} for number in range(GROUPS)),
            {"name": "default", "block": []},
            {"name": LAST, "networks": ["10.1.0.0/16"]},
        ],
    }
    revision = (await served.get("policy"))["revision"]
    async with served.call("POST", "policy:apply", {"policy": policy}, If_Match=f'"{revision}"') as response:
        assert response.status in (200, 202), await response.text()
    return served


@pytest.mark.slow
async def test_forms_and_pages_of_a_large_policy(large: Served) -> None:
    """One test of three parts: each would make the policy anew, which takes longer than all of them."""
    await the_form_of_a_group_is_not_too_much(large)
    await the_last_of_many_groups_stays_chosen(large)
    await a_list_that_nobody_blocks_is_not_said_to_be_in_force(large)


async def the_last_of_many_groups_stays_chosen(large: Served) -> None:
    lease = {"identity": "ana", "group": LAST, "ttl_seconds": 600}
    async with large.call("PUT", "leases/10.9.8.7", lease) as response:
        assert response.status == 201, await response.text()
    browser = await Browser.log_in(large, "admin")
    (form,) = [form for form in await browser.forms("/clients/new?address=10.9.8.7") if "identity" in form.fields]
    assert form.fields["group"] == LAST
    assert len(form.choices["group"]) == GROUPS + 3
    await browser.send(form.action, form.fields)
    assert (await large.get("leases/10.9.8.7"))["group"] == LAST
    (filters,) = [form for form in await browser.forms(f"/queries?group={LAST}") if "verdict" in form.fields]
    assert filters.fields["group"] == LAST
    (filters,) = [form for form in await browser.forms("/queries?group=gone") if "verdict" in form.fields]
    assert filters.fields["group"] == "gone"


async def a_list_that_nobody_blocks_is_not_said_to_be_in_force(large: Served) -> None:
    browser = await Browser.log_in(large, "admin")
    page, _ = await browser.get("/lists/list-0007")
    assert "No group names this list" in page
    async with large.call("PATCH", "groups/default", {"block": ["list-0007"]}) as response:
        assert response.status == 200, await response.text()
    page, _ = await browser.get("/lists/list-0007")
    assert "No group names this list" not in page
    assert f'<a href="/groups/{LAST}">' in page
    assert '<a href="/groups/a-0000">' not in page


async def the_form_of_a_group_is_not_too_much(large: Served) -> None:
    browser = await Browser.log_in(large, "admin")
    (form,) = [form for form in await browser.forms(f"/groups/{LAST}:edit") if form.action.endswith(":edit")]
    assert len(form.fields) > 1000
    await browser.send(form.action, {**form.fields, "description": "all of us"})
    assert (await large.get(f"groups/{LAST}"))["description"] == "all of us"
