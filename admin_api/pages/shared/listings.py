"""Listings as a whole: pages that offer everything as a choice follow `next` to its end."""

from __future__ import annotations

from typing import Any

from admin_api.pages.shared.visit import Visit

_ROWS = 1000  # the most that a page of the API has
_MOST_PAGES = 20  # all groups are two, all lists are one or two


async def all_of(visit: Visit, operation: str, **query: object) -> list[Any]:
    """The items of a listing such as 'GET /groups', of all its pages."""
    items: list[Any] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await visit.ask(operation, query={**query, "limit": _ROWS, "cursor": cursor})
        items += page.items
        cursor = page.next
        if cursor is None:
            break
    return items


async def group_names(visit: Visit, chosen: str | None) -> list[str]:
    """The names of all groups to choose from, and what is chosen already: a form without it would lose it."""
    names = [group.name for group in await all_of(visit, "GET /groups")]
    return names if not chosen or chosen in names else [*names, chosen]
