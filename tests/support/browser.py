"""People in front of a real Chromium, headless. Whatever a browser complains of fails the test.

A person logs in with a token and sees the pages of one server. No script error, no violation of the content security
policy and no request to anything but that server passes unnoticed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import axe_playwright_python
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.support.moatdns import Moatdns
from tests.support.programs import is_free, wait_until

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
_AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
_GRAVE = ("serious", "critical")
_MILLISECONDS = 15_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed"
    with sync_playwright() as playwright:
        # Without its sandbox, since tests may run as root.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
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
        theme: str = "light",
        size: dict[str, int] | None = None,
        scripts: bool = True,
        locale: str = "en-GB",
    ) -> None:
        self.server = server
        self.base = f"http://127.0.0.1:{server.admin_port}"
        wait_until(lambda: not is_free(server.admin_port), "the admin process listens")
        self.complaints: list[str] = []
        self.expected_statuses: set[int] = set()  # of answers that a browser calls errors, and the test wants
        self._context = browser.new_context(
            color_scheme=theme,  # type: ignore[arg-type]  # a literal there
            viewport=size or DESK,  # type: ignore[arg-type]
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
        self.token = server.api.token if role == "admin" else new_token(server, role)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
        if kind is None:
            assert not self.complaints, self.complaints

    def log_in(self, address: str = "/") -> Page:
        """Go to an address by way of the door."""
        self.page.goto(self.base + address)
        self.page.get_by_label("Token").fill(str(self.token))
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda url: "/login" not in url)
        return self.page

    def go(self, address: str) -> Page:
        """Go to an address of the site."""
        self.page.goto(self.base + address)
        return self.page

    def faults(self, *rules: str) -> list[str]:
        """What axe finds to be serious on the page that is shown, by all its rules or by these."""
        # By the debugger's way, since the policy of the page lets no foreign script in.
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate("rules => axe.run(rules.length ? {runOnly: rules} : {})", rules)
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in _GRAVE
            for node in each["nodes"]
        ]

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
        if not request.url.startswith((self.base, "data:", "blob:", "about:")):
            self.complaints.append(f"a request to elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected_statuses:
            self.complaints.append(f"{response.status}: {response.url}")


def new_token(server: Moatdns, role: str) -> str:
    """A token of that role, made by the API."""
    name = f"{role}-{len(server.api.get('tokens?limit=1000')['items'])}"
    made = server.api.post("tokens", {"name": name, "role": role, "owner": f"a person with role {role}"})
    return str(made["token"])


def wait_for_text(page: Page, text: str) -> None:
    """Wait until the page shows a text."""
    wait_until(lambda: text in page.inner_text("main"), f"{text!r} on the page")
