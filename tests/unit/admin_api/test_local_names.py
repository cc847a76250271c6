"""Local names by the API and on their page: each with where it was given."""

from __future__ import annotations

import pytest

from resolver.answering.explaining import access_of
from resolver.config.settings import WorkerSettings
from resolver.wire.local_records import LocalRecord
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

GIVEN = (
    LocalRecord("printer.office.example", addresses=("192.0.2.7", "2001:db8::7"), origin="local"),
    LocalRecord("*.lab.office.example", addresses=("10.0.0.1",), origin="local"),
    LocalRecord("intra.office.example", alias="printer.office.example", origin="local"),
    LocalRecord("copier.office.example", addresses=("192.0.2.7",), origin="/etc/<i>hosts:3"),
)


@pytest.fixture
def named(served: Served) -> Served:
    """An API whose node has local names."""
    access = access_of(WorkerSettings(local=GIVEN, local_ttl_seconds=60))
    object.__setattr__(served.context, "access", access)  # frozen, but for its own
    return served


async def test_local_names_are_listed_by_name_with_where_each_was_given(named: Served) -> None:
    page = await named.get("local")
    assert page["ttl_seconds"] == 60
    assert [(item["name"], item["where"]) for item in page["items"]] == [
        ("*.lab.office.example", "local"),
        ("copier.office.example", "/etc/<i>hosts:3"),
        ("intra.office.example", "local"),
        ("printer.office.example", "local"),
    ]
    assert page["items"][3] == {
        "name": "printer.office.example",
        "addresses": ["192.0.2.7", "2001:db8::7"],
        "alias": None,
        "reverse_of": ["192.0.2.7", "2001:db8::7"],
        "origin": "file",
        "where": "local",
    }
    assert page["items"][1]["reverse_of"] == []
    assert page["items"][2]["alias"] == "printer.office.example"


async def test_local_names_come_in_pages_and_by_a_text_of_them(named: Served) -> None:
    first = await named.get("local?limit=3")
    rest = await named.get(f"local?limit=3&cursor={first['next']}")
    assert [item["name"] for item in (*first["items"], *rest["items"])] == sorted(record.name for record in GIVEN)
    assert rest["next"] is None
    found = await named.get("local?contains=192.0.2.7")
    assert [item["name"] for item in found["items"]] == ["copier.office.example", "printer.office.example"]


async def test_the_page_shows_local_names_and_escapes_what_files_are_called(named: Served) -> None:
    browser = await Browser.log_in(named, "viewer")
    page, _ = await browser.get("/local")
    assert '<a href="/local" aria-current="page">' in page
    assert "printer.office.example" in page and "stands for printer.office.example" in page
    assert "/etc/&lt;i&gt;hosts:3" in page and "<i>hosts" not in page
    page, _ = await browser.get("/local?q=nowhere")
    assert "No local name has that text." in page


async def test_a_node_without_local_names_says_so(served: Served) -> None:
    assert await served.get("local") == {"items": [], "next": None, "ttl_seconds": 300}
