"""Every web page can be seen and used by everybody: light, dark, on a phone, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from admin_api.pages.table import PAGES
from resolver import __version__
from tests.conftest import OFFICE
from tests.support.browser import PHONE, Person
from tests.support.moatdns import Moatdns
from tests.support.tour import odd_addresses, pages_of, something_odd_to_see, something_that_waits, something_to_see
from tests.support.unbound import Unbound

_FILES = re.compile(r"\.(?:csv|jsonl|yaml)$|^/overview/series$")  # what is downloaded, or drawn by a page
_NAMED = re.compile(r"\{\w+:?((?:[^{}]|\{[^}]*\})*)\}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with something on each page, of which some is odd, long or hostile."""
    config = {**OFFICE, "workers": 1, "query_log": {"what": "all"}, "upstream": {"servers": [world.server]}}
    with Moatdns(tmp_path_factory.mktemp("every"), config, with_api=True) as moatdns:
        something_to_see(moatdns)
        something_odd_to_see(moatdns)
        something_that_waits(moatdns, config)
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


def _tour(person: Person) -> Iterator[str]:
    """All pages, one after the other; none lets anything hostile come to life."""
    person.log_in()
    for address in (*pages_of(person.server).values(), *odd_addresses()):
        page = person.go(address)
        yield address
        assert page.get_by_role("link", name="Skip to the content").count() == 1
        assert page.locator("main img, main b b").count() == 0, f"{address}: what is hostile came to life"
        assert page.locator(".menu-foot").text_content() == f"moatdns {__version__} · API", address


def test_no_page_has_a_grave_fault_light_or_dark_or_is_too_wide_and_each_has_its_heading_without_scripts(
    chromium: Browser, server: Moatdns
) -> None:
    usual = set(pages_of(server).values())
    headings = {}
    with Person(chromium, server) as person:
        person.go("/login")
        _look_for_faults(person)
        for address in _tour(person):
            if address in usual:
                headings[address] = person.page.locator("h1").inner_text()
                _look_for_faults(person)
            assert person.overflow() <= 0, address
    with Person(chromium, server, scripts=False) as person:
        person.log_in()
        assert {address: person.go(address).locator("h1").inner_text() for address in headings} == headings
    assert len(headings) == len(usual)


def _look_for_faults(person: Person) -> None:
    """Find none on the page that is shown, and that all of it can be read in the dark too."""
    assert person.faults() == [], person.page.url
    person.page.emulate_media(color_scheme="dark")
    assert person.faults("color-contrast") == [], person.page.url
    person.page.emulate_media(color_scheme="light")


def test_no_page_is_too_wide_for_a_phone(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, size=PHONE) as person:
        for address in _tour(person):
            assert person.overflow() <= 0, address
        assert person.faults() == [], "the last one"


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
