"""A browser without a window: a session, its pages, and the forms that they have."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from http import HTTPStatus
from typing import Any

from .conftest import Served


class Browser:
    """A session, by its cookie."""

    def __init__(self, served: Served, cookie: str) -> None:
        self._served = served
        self.cookie = cookie

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
        sent = {"Cookie": self.cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self._served.session.get(
            self._served.url + address, headers=sent, allow_redirects=status == HTTPStatus.OK
        ) as response:
            assert response.status == status, await response.text()
            return await response.text(), response.headers

    async def forms(self, address: str) -> list[Form]:
        """The forms of a page, as a browser would send them without a change."""
        text, _ = await self.get(address)
        return forms_of(text)

    async def give_reason(self, address: str, reason: str = "a test") -> None:
        """Say why, where a page asks that before it shows persons."""
        (form,) = [form for form in await self.forms(address) if form.action == "/look"]
        await self.send("/look", {**form.fields, "reason": reason})

    async def csrf(self) -> str:
        """What the session's forms send along."""
        page, _ = await self.get("/setup")
        return page.partition('name="csrf" value="')[2].partition('"')[0]

    async def send(
        self, address: str, fields: Mapping[str, str], status: int = 303, **headers: str
    ) -> tuple[str, dict[str, str]]:
        """Text and headers of the answer to a form; `csrf` is the session's unless it is given."""
        fields = fields if "csrf" in fields else {"csrf": await self.csrf(), **fields}
        sent = {"Cookie": self.cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        form = self._served.session.post(self._served.url + address, data=fields, headers=sent, allow_redirects=False)
        async with form as response:
            assert response.status == status, await response.text()
            return await response.text(), dict(response.headers)


class Form:
    """A form: where it is sent, and its fields with what they hold."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}
        self.choices: dict[str, list[str]] = {}  # of each select

    def __repr__(self) -> str:
        return f"Form({self.action!r}, {self.fields!r})"


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self._inside: Form | None = None
        self._field = ""  # the textarea or select that is open
        self._is_text = self._is_first = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = Form(has.get("action", ""))
            self.forms.append(self._inside)
        form, name = self._inside, has.get("name", "")
        if form is None:
            return
        if tag == "input" and name and (has.get("type") not in ("checkbox", "radio") or "checked" in has):
            form.fields[name] = has.get("value", "")
        elif tag in ("textarea", "select"):
            self._field, self._is_text = name, tag == "textarea"
            form.fields[name] = ""
            form.choices[name] = []
        elif tag == "option" and self._field and not self._is_text:
            value = has.get("value", "")
            if "selected" in has or not form.choices[self._field]:
                form.fields[self._field] = value
            form.choices[self._field].append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None
        elif tag in ("textarea", "select"):
            self._field, self._is_text = "", False

    def handle_data(self, data: str) -> None:
        if self._inside is not None and self._is_text:
            self._inside.fields[self._field] += data


def forms_of(page: str) -> list[Form]:
    """The forms of a page, in their order."""
    read = _Forms()
    read.feed(page)
    read.close()
    for form in read.forms:
        for name, value in form.fields.items():
            if name not in form.choices or not form.choices[name]:
                form.fields[name] = value.removeprefix("\n")  # which a textarea begins with
    return read.forms
