"""The site at a glance: every address, who may, and which function makes the page. The menu is `menu.py`."""

from __future__ import annotations

from admin_api.exception_routes import ID
from admin_api.pages import check, exemptions, overview, query_log
from admin_api.pages.visit import Page

PAGES: tuple[Page, ...] = (
    Page("GET", "/", overview.show),
    Page("GET", "/overview/series", overview.series),
    Page("GET", "/queries", query_log.show),
    Page("GET", "/check", check.show),
    Page("GET", "/exemptions", exemptions.show),
    Page("GET", "/exemptions/new", exemptions.show_new, "operator"),
    Page("POST", "/exemptions", exemptions.create, "operator", shown_again=exemptions.show_new),
    Page("GET", f"/exemptions/{ID}", exemptions.show_one),
    Page(
        "POST",
        f"/exemptions/{ID}/{{action:approve|deny|revoke|renew}}",
        exemptions.act,
        "operator",
        shown_again=exemptions.show_one,
    ),
)
