"""Pages call the API's own operations: all are found by name, and roles hold."""

from __future__ import annotations

import re
from pathlib import Path

import admin_api.pages
from admin_api.api.route import operation_name
from admin_api.api.routes import ROUTES
from admin_api.pages.shared.menu import MENU
from admin_api.pages.table import PAGES
from admin_api.store.roles import may

FOLDER = Path(admin_api.pages.__file__).parent
NAMES = {operation_name(route) for route in ROUTES}


def test_operations_have_names_without_patterns() -> None:
    assert {"GET /groups/{name}", "POST /exemptions/{id}:approve", "PUT /leases/{address}"} <= NAMES
    assert not [name for name in NAMES if re.search(r"[\[\]?*+\\]", name)]
    assert len(NAMES) == len(ROUTES)


def test_every_operation_that_pages_name_is_one() -> None:
    named = set()
    for path in (*FOLDER.rglob("*.py"), *FOLDER.glob("*/*.html")):
        text = path.read_text(encoding="utf-8").replace("{{id}}", "{id}")
        named |= {
            (path.name, name) for name in re.findall(r'(?<!")"((?:GET|POST|PUT|PATCH|DELETE) /[^"\s]*)"(?!")', text)
        }
    assert len(named) > 10
    unknown = {(where, name) for where, name in named if "{action}" not in name and name not in NAMES}
    assert not unknown


def test_the_menu_leads_to_pages_that_those_who_see_it_may_see() -> None:
    pages = {page.path: page for page in PAGES if page.method == "GET"}
    for chapter in MENU:
        for entry in chapter.entries:
            assert may((entry.role,), pages[entry.address].role), entry
