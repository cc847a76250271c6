"""Every web page can be seen and used by everybody: light, dark, on a phone, and without scripts."""

from __future__ import annotations

import html
import re
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from admin_api.pages.table import PAGES
from resolver import __version__
from tests.conftest import OFFICE
from tests.support.browser import DESK, PHONE, THEMES, Person, session
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.tour import (
    odd_addresses,
    pages_of,
    something_odd_to_see,
    something_that_waits,
    something_to_see,
    under_four_eyes,
)
from tests.support.unbound import Unbound

_FILES = re.compile(r"\.(?:csv|json|jsonl|yaml)$|^/overview/series$")  # what is downloaded, or drawn by a page
_CONTRAST = "color-contrast"
_NAMED = re.compile(r"\{\w+:?((?:[^{}]|\{[^}]*\})*)\}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with something on each page, of which some is odd, long or hostile."""
    config = {**OFFICE, "workers": 1, "query_log": {"what": "all"}, "upstream": {"servers": [world.server]}}
    config["unlisted"] = {"enabled": True, "clients": 1}
    config["local"] = {f"{'a-long-name-' * 5}x.office.example": ["2001:db8::7", "192.0.2.7"], "*.lab.example": ["a.b"]}
    with Moatdns(tmp_path_factory.mktemp("every"), under_four_eyes(config), with_api=True) as moatdns:
        something_that_waits(moatdns, config)
        something_to_see(moatdns)
        something_odd_to_see(moatdns)
        yield moatdns


def _shows(path: str, address: str) -> bool:
    """Whether an address is one of a path of the table."""
    parts, end = [], 0
    for named in _NAMED.finditer(path):
        parts += [re.escape(path[end : named.start()]), named[1] or "[^/]+"]
        end = named.end()
    parts.append(re.escape(path[end:]))
    return re.fullmatch("".join(parts), address.partition("?")[0]) is not None


def test_the_tour_leaves_no_page_out(server: Moatdns) -> None:
    addresses = (*pages_of(server).values(), *odd_addresses())
    paths = [page.path for page in PAGES if page.method == "GET" and not _FILES.search(page.path)]
    assert len(paths) > 25
    assert [path for path in paths if not any(_shows(path, address) for address in addresses)] == []


def _look_at(person: Person, address: str) -> Page:
    """Go to an address; nothing hostile comes to life there."""
    page = person.go(address)
    assert page.get_by_role("link", name="Skip to the content").count() == 1
    assert page.locator("main img, main b b").count() == 0, f"{address}: what is hostile came to life"
    assert page.locator(".menu-foot").text_content() == f"moatdns {__version__} · API", address
    return page


def test_no_page_has_a_grave_fault_light_or_dark_or_is_too_wide_and_each_has_its_heading_without_scripts(
    chromium: Browser, server: Moatdns
) -> None:
    usual = set(pages_of(server).values())
    with Person(chromium, server) as person:
        person.go("/login")
        _look_for_faults(person)
        person.log_in()
        for address in (*usual, *odd_addresses()):
            page = _look_at(person, address)
            assert person.overflow() <= 0, address
            page.set_viewport_size(PHONE)
            wait_until(lambda: person.overflow() <= 0, f"{address} on a phone, where a chart follows a moment later")
            page.set_viewport_size(DESK)
            if address in usual:
                assert _heading_as_sent(server, address) == page.locator("h1").inner_text()
                _look_for_faults(person)


def _look_for_faults(person: Person) -> None:
    """Find none on the page that is shown, and that all of it can be read by light and in the dark."""
    assert person.faults(but=_CONTRAST) == [], person.page.url
    person.remove_alike_rows()
    for scheme in THEMES:
        person.page.emulate_media(color_scheme=scheme)
        assert person.faults(_CONTRAST) == [], f"{scheme}: {person.page.url}"
    person.page.emulate_media(color_scheme="light")


def _heading_as_sent(server: Moatdns, address: str) -> str:
    """The heading in what the server sends, which is what is shown where no script runs."""
    headers = {"Cookie": session(server, str(server.api.token))}
    asked = urllib.request.Request(f"http://127.0.0.1:{server.admin_port}{address}", headers=headers)
    with urllib.request.urlopen(asked, timeout=20) as response:
        found = re.search(r"<h1\b[^>]*>(.*?)</h1>", response.read().decode(), re.DOTALL)
    assert found, address
    return " ".join(html.unescape(re.sub("<[^>]*>", "", found[1])).split())


# With a chart, with tables and with long forms; all others are narrowed to a phone's width after they are loaded.
_LOADED_ON_A_PHONE = (
    *("/", "/queries", "/catalogue/anthropic", "/groups/odd:edit", "/clients", "/lists/odd", "/audit", "/status"),
    "/unlisted",
    "/local",
    *("/reports/usage", "/tokens"),
)


def test_no_page_is_too_wide_for_a_phone(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, size=PHONE) as person:
        person.log_in()
        for address in _LOADED_ON_A_PHONE:
            _look_at(person, address)
            assert person.overflow() <= 0, address
        assert person.faults() == [], "the last one"


def test_headings_are_shown_without_scripts(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, scripts=False) as person:
        person.log_in()
        for address in ("/", "/queries", "/catalogue", "/groups/default:edit", "/setup"):
            heading = person.go(address).locator("h1")
            assert heading.is_visible(), address
            assert heading.inner_text() == _heading_as_sent(server, address)


_DRAWN = """
window.drawnTexts = [];
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.drawnTexts.push(text);
  return fillText.call(this, text, ...rest);
};
"""


@pytest.mark.parametrize(
    ("locale", "number", "time", "on_the_chart"),
    [
        ("de-DE", r"\d+,\d ms", r"\d{2}\.\d{2}\.\d{4}, \d{2}:\d{2}:\d{2}", r"\d{2}:\d{2}"),
        ("en-US", r"\d+\.\d ms", r"\w{3} \d{1,2}, \d{4}, \d{1,2}:\d{2}:\d{2}\s[AP]M", r"\d{2}:\d{2} [AP]M"),
    ],
)
def test_numbers_times_and_the_chart_speak_the_readers_language(
    chromium: Browser, server: Moatdns, locale: str, number: str, time: str, on_the_chart: str
) -> None:
    with Person(chromium, server, locale=locale) as person:
        person.page.add_init_script(_DRAWN)
        person.log_in()
        times: list[str] = person.page.locator("main time").all_text_contents()
        assert times
        assert [each for each in times if not re.fullmatch(time, each)] == []
        person.page.wait_for_function("() => window.drawnTexts.length > 8")
        labels: list[str] = person.page.evaluate("() => window.drawnTexts")
        clocks = [each for each in labels if ":" in each]
        assert clocks
        assert [each for each in clocks if not re.fullmatch(on_the_chart, each.replace("\u202f", " "))] == []
        assert [each for each in labels if re.fullmatch(r"\d+/\d+(/\d+)?|\d+:?\d*[ap]m", each)] == [], (
            "uPlot's own American"
        )
        person.go("/queries")
        took: list[str] = person.page.locator("td[data-label=Answer]").all_text_contents()
        assert took
        assert [each for each in took if not re.search(number, each)] == []
