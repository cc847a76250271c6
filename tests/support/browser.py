"""People in front of a real Chromium, headless. Whatever a browser complains of fails the test.

A person logs in with a token and sees the pages of one server. No script error, no violation of the content security
policy and no request to anything but that server passes unnoticed.
"""

from __future__ import annotations

import http.client
import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlencode

import axe_playwright_python
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, ViewportSize, sync_playwright

from tests.support.moatdns import Moatdns
from tests.support.programs import is_free, wait_until

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
_AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
# Nothing is gathered of what is right, which is most of a page.
_FIND = """async ([rules, but]) => {
    const which = rules.length ? {runOnly: rules} : {rules: Object.fromEntries(but.map(id => [id, {enabled: false}]))};
    return (await axe.run({...which, resultTypes: ["violations"]})).violations;
}"""
_REMOVE_ALIKE = """() => {
    const telling = ["class", "type", "aria-current", "aria-pressed", "open"];
    const look = node => [node.tagName, node.disabled, node.checked,
        ...[...node.attributes].map(({name, value}) => telling.includes(name) ? name + value : name)].join(" ");
    const around = node => node === null ? [] : [node, ...around(node.parentElement)];
    const seen = new Set();
    for (const row of document.querySelectorAll("main tbody tr, main .choice")) {
        const all = [...around(row), ...row.querySelectorAll("*")].map(look).join();
        if (seen.has(all)) row.remove();
        seen.add(all);
    }
}"""
_GRAVE = ("serious", "critical")
_MILLISECONDS = 15_000
# The same engine without windows comes first: to open and fill a page takes a quarter of what it takes the other.
_PROGRAMS = ("chromium-headless-shell", "chromium")

_numbers = itertools.count(1)
_tokens: dict[tuple[int, str, str], str] = {}  # by the API's port, the server's first token and the role
_sessions: dict[tuple[int, str], str] = {}  # the Cookie header, by the API's port and the token


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """The system's Chromium, with these options."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    assert program, "chromium is not installed"
    with sync_playwright() as playwright:
        # Without its sandbox, since tests may run as root.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *options])
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """Somebody who looks at the pages of a server. `page` is playwright's."""

    def __init__(
        self,
        browser: Browser,
        server: Moatdns,
        *,
        role: str = "admin",
        theme: Theme = "light",
        size: ViewportSize = DESK,
        scripts: bool = True,
        locale: str = "en-GB",
    ) -> None:
        self.server = server
        self.base = f"http://127.0.0.1:{server.admin_port}"
        wait_until(lambda: not is_free(server.admin_port), "the admin process listens")
        self.complaints: list[str] = []
        self.elsewhere: tuple[str, ...] = ()  # addresses of other servers that the pages may lead to
        self.expected_statuses: set[int] = set()  # of answers that a browser calls errors, and the test wants
        self._context = browser.new_context(
            color_scheme=theme,
            viewport=size,
            java_script_enabled=scripts,
            locale=locale,
            timezone_id="Europe/Berlin",
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(_MILLISECONDS)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        self.token = str(server.api.token) if role == "admin" else _token_of(server, role)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
        if kind is None:
            assert not self.complaints, self.complaints

    def log_in(self, address: str = "/") -> Page:
        """Go to an address in a session of this token, which others with this token have too."""
        name, _, text = session(self.server, self.token).partition("=")
        self._context.add_cookies(
            [{"name": name, "value": text, "url": self.base, "httpOnly": True, "sameSite": "Strict"}]
        )
        return self.go(address)

    def come_in(self, address: str = "/") -> Page:
        """Go to an address by way of the door; the session is this person's own."""
        self.page.goto(self.base + address)
        self.page.get_by_label("Token").fill(self.token)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda url: "/login" not in url)
        return self.page

    def go(self, address: str) -> Page:
        """Go to an address of the site."""
        self.page.goto(self.base + address)
        return self.page

    def look(self, address: str, reason: str = "a test") -> Page:
        """Go to an address that shows persons, and say why, unless the session has a reason already."""
        page = self.go(address)
        if page.get_by_role("heading", name="Why do you look at persons?").count():
            self.say_why(reason)
        return page

    def say_why(self, reason: str = "a test") -> None:
        """Fill in the form that is shown before persons are."""
        self.page.get_by_label("Reason").fill(reason)
        self.page.get_by_role("button", name="Show", exact=True).click()
        self.page.wait_for_url(lambda url: not url.endswith("/look"))
        self.page.wait_for_load_state()

    def faults(self, *rules: str, but: str = "") -> list[str]:
        """Serious faults that axe finds on the page that is shown, by these of its rules, or by all but one."""
        # By the debugger's way, since the policy of the page lets no foreign script in.
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = self.page.evaluate(_FIND, [rules, [but] if but else []])
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found
            if each["impact"] in _GRAVE
            for node in each["nodes"]
        ]

    def remove_alike_rows(self) -> None:
        """Take away each row and choice that is made of the same elements, classes and states as one before.

        Its colours are the same, and axe takes seconds to hold those of all rows of the catalogue against each other.
        """
        self.page.evaluate(_REMOVE_ALIKE)

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if any(f"status of {status}" in message.text for status in self.expected_statuses):
            return
        self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.base, *self.elsewhere, "data:", "blob:", "about:")):
            self.complaints.append(f"a request to elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected_statuses:
            self.complaints.append(f"{response.status}: {response.url}")


def new_token(server: Moatdns, role: str) -> str:
    """A token of that role, or of several with spaces between, made by the API."""
    roles = role.split()
    name = f"{'-'.join(roles)}-{next(_numbers)}"
    made = server.api.post("tokens", {"name": name, "roles": roles, "owner": f"a person with role {role}"})
    return str(made["token"])


def _token_of(server: Moatdns, role: str) -> str:
    """A token of that role, the same for all who ask."""
    key = (server.admin_port, str(server.api.token), role)
    if key not in _tokens:
        _tokens[key] = new_token(server, role)
    return _tokens[key]


def send_form(server: Moatdns, path: str, fields: dict[str, str], **headers: str) -> tuple[int, dict[str, str], str]:
    """Send a form as something that is no browser; gives the status, the headers in lower case, and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=20)
    sent = {"Content-Type": "application/x-www-form-urlencoded", **{k.replace("_", "-"): v for k, v in headers.items()}}
    connection.request("POST", path, urlencode(fields), sent)
    response = connection.getresponse()
    body = response.read().decode()
    found = {name.lower(): value for name, value in response.getheaders()}
    connection.close()
    return response.status, found, body


def session(server: Moatdns, token: str) -> str:
    """The Cookie header of somebody who is logged in with this token: one session for all who ask."""
    key = (server.admin_port, token)
    if key not in _sessions:
        status, headers, body = send_form(server, "/login", {"token": token})
        assert status == 303, body
        _sessions[key] = headers["set-cookie"].partition(";")[0]
    return _sessions[key]


def wait_for_text(page: Page, text: str) -> None:
    """Wait until the page shows a text."""
    wait_until(lambda: text in page.inner_text("main"), f"{text!r} on the page")
