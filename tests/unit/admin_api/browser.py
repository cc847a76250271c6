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
        async with self._served.session.get(
            self._served.url + address, headers=sent, allow_redirects=False
        ) as response:
            assert response.status == status, await response.text()
            return await response.text(), response.headers

    async def csrf(self) -> str:
        """What the session's forms send along."""
        page, _ = await self.get("/setup")
        return page.partition('name="csrf" value="')[2].partition('"')[0]

    async def send(
        self, address: str, fields: dict[str, str], status: int = 303, **headers: str
    ) -> tuple[str, dict[str, str]]:
        """Text and headers of the answer to a form; `csrf` is the session's unless it is given."""
        fields = fields if "csrf" in fields else {"csrf": await self.csrf(), **fields}
        sent = {"Cookie": self._cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        form = self._served.session.post(self._served.url + address, data=fields, headers=sent, allow_redirects=False)
        async with form as response:
            assert response.status == status, await response.text()
            return await response.text(), dict(response.headers)
