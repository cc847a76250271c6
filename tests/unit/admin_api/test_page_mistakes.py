"""What people, and programs that are no browsers, send to pages by mistake is told as one, not as an error of ours."""

from __future__ import annotations

import pytest

from .browser import Browser
from .conftest import Served

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("place", ["//[", "/\\[", "\t//[", "http://[", "/[", "//\u2100.example"])
async def test_a_link_to_the_door_with_an_address_that_is_none_leads_to_the_door(served: Served, place: str) -> None:
    query = {"next": place}
    async with served.session.get(served.url + "/login", params=query) as response:
        assert response.status == 200
    entering = served.session.post(
        served.url + "/login", params=query, data={"token": served.tokens["viewer"]}, allow_redirects=False
    )
    async with entering as response:
        assert response.status == 303
        assert response.headers["Location"] in ("/", "/[")


async def test_a_page_whose_address_is_none_leads_to_the_door(served: Served) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://["}
    async with served.session.get(served.url + "/status", headers=headers) as response:
        assert (response.status, response.headers["HX-Redirect"]) == (401, "/login?next=%2F")


async def test_an_origin_that_is_none_is_another_sites(served: Served) -> None:
    login = served.session.post(served.url + "/login", data={"token": "x"}, headers={"Origin": "http://["})
    async with login as response:
        assert response.status == 403


async def test_a_form_in_letters_that_nobody_knows_is_told_so(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    text, _ = await browser.send("/tokens", {}, 400, Content_Type=f"{FORM}; charset=klingon")
    assert "should be UTF-8" in text
    login = served.session.post(
        served.url + "/login", data=b"token=x", headers={"Content-Type": f"{FORM}; charset=klingon"}
    )
    async with login as response:
        assert response.status == 401


@pytest.mark.parametrize("qtype", ["TYPE\u00b2", "TYPE\u0663", "TYPE65536", "TYPE", "TYPE-1"])
async def test_a_type_that_is_none_is_told_beside_the_form(served: Served, qtype: str) -> None:
    browser = await Browser.log_in(served, "viewer")
    text, _ = await browser.get(f"/check?name=a.example&type={qtype}", status=422)
    assert "is not a record type" in text
    assert await served.status("GET", f"explain?name=a.example&client=127.0.0.1&type={qtype}") == 422


@pytest.mark.parametrize("key", ["\u00b2", "\u0663", "9" * 5000])
async def test_a_document_with_a_strange_key_is_told_by_line(served: Served, key: str) -> None:
    browser = await Browser.log_in(served, "admin")
    text, _ = await browser.send("/policy/document", {"document": f'policy:\n  "{key}": 1\n'}, 422)
    assert "line 2" in text
