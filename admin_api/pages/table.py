"""The site at a glance: every address, who may, and which function makes the page. The menu is `menu.py`."""

from __future__ import annotations

from admin_api.pages import check, overview, query_log
from admin_api.pages.visit import Page

PAGES: tuple[Page, ...] = (
    Page("GET", "/", overview.show),
    Page("GET", "/overview/series", overview.series),
    Page("GET", "/queries", query_log.show),
    Page("GET", "/check", check.show),
)
