"""Somebody who is logged in to the pages, as far as a test needs a browser for that."""

from __future__ import annotations

from typing import Any

from .conftest import Served


class Browser:
    """A session, by its cookie."""

    def __init__(self, served: Served, cookie: str) -> None:
        self._served = served
        self._cookie = cookie

    @classmethod
    async def log_in(cls, served: Served, role: str) -> Browser:
        """With the token of a role."""
        async with served.session.post(
            served.url + "/login", data={"token": served.tokens[role]}, allow_redirects=False
        ) as response:
            assert response.status == 303
            return cls(served, response.headers["Set-Cookie"].partition(";")[0])

    async def get(self, address: str, status: int = 200, **headers: str) -> tuple[str, Any]:
        """Text and headers of a page."""
        sent = {"Cookie": self._cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self._served.session.get(self._served.url + address, headers=sent) as response:
            assert response.status == status, await response.text()
            return await response.text(), response.headers
