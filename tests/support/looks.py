"""Whether pages can be seen and used by everybody: light, dark, on a phone, and without scripts."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.support.browser import PHONE, Person
from tests.support.moatdns import Moatdns

_WAYS = (("light", None), ("dark", None), ("light", PHONE))


def assert_looks_well(chromium: Browser, server: Moatdns, *addresses: str) -> None:
    """No grave fault by axe, nothing wider than the window, and the same heading without scripts."""
    headings = {}
    for theme, size in _WAYS:
        with Person(chromium, server, theme=theme, size=size) as person:
            person.log_in()
            for address in addresses:
                page = person.go(address)
                assert person.faults() == [], f"{address}, {theme}, {size}"
                assert person.overflow() <= 0, f"{address} is too wide, {theme}, {size}"
                headings[address] = page.locator("h1").inner_text()
    with Person(chromium, server, scripts=False) as person:
        person.log_in()
        for address, heading in headings.items():
            assert person.go(address).locator("h1").inner_text() == heading
