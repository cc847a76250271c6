"""HTML from hostile text."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import admin_api.pages
from admin_api.pages.shared.templates import (
    as_it_is,
    decimal,
    grouped,
    make_templates,
    moment,
    number,
    rendered,
    segment,
    span,
    visible,
    with_query,
)

TEMPLATES = make_templates()
FOLDER = Path(admin_api.pages.__file__).parent
_SENT = re.compile(r'<(?:input|option|button)\b[^<]*? value="([^"]*)"|<textarea[^<]*>\n?([^<]*)</textarea>')
_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


class Read(HTMLParser):
    """What a browser makes of it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_any_text_stays_text_in_content_and_in_attributes(text: str) -> None:
    read = Read(TEMPLATES.from_string('<p title="{{ text }}">{{ text }}</p>').render(text=text))
    assert read.tags == ["p"]
    shown = visible(text)
    assert read.text.replace("\r\n", "\n") == shown.replace("\r\n", "\n")
    assert [name for name, _ in read.attributes] == ["title"]


@given(st.text())
def test_nothing_invisible_or_turning_is_left_in_what_is_shown(text: str) -> None:
    left = {unicodedata.category(character) for character in visible(text) if character not in "\n\r\t"}
    assert left.isdisjoint(_HIDDEN)


@given(st.text())
def test_what_a_form_sends_back_is_what_it_was_given(text: str) -> None:
    template = '<input value="{{ text | as_it_is }}"><p>{{ text | as_it_is }}</p>'
    read = Read(TEMPLATES.from_string(template).render(text=text))
    assert read.attributes == [("value", text)]
    assert read.text.replace("\r\n", "\n") == text.replace("\r\n", "\n")
    assert read.tags == ["input", "p"]


def test_nothing_in_a_form_is_none_or_cannot_be_sent() -> None:
    assert as_it_is(None) == ""
    assert as_it_is("a\udc80é").encode() == "a?é".encode()


def test_every_value_of_every_form_goes_back_as_it_is() -> None:
    looked_at, wrong = 0, []
    for path in FOLDER.glob("*/*.html"):
        for found in _SENT.finditer(path.read_text(encoding="utf-8")):
            for shown in re.findall(r"{{ (.*?) }}", found[1] or found[2] or ""):
                looked_at += 1
                wrong += [] if shown.endswith("| as_it_is") else [(path.name, shown)]
    assert looked_at > 50
    assert wrong == []


def test_control_characters_and_directions_are_written_out() -> None:
    assert visible("a\x00b\u202ec\u200bd") == r"a\u{0}b\u{202e}c\u{200b}d"
    assert visible("claude.ai – größer\n") == "claude.ai – größer\n"


def test_a_name_that_is_missing_is_an_error_and_no_gap() -> None:
    with pytest.raises(Exception, match="undefined"):
        TEMPLATES.from_string("{{ missing }}").render()


def test_moments_are_in_utc_for_machines_and_people() -> None:
    at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert moment(at) == '<time datetime="2026-02-28T23:30:00.000Z">2026-02-28 23:30:00 UTC</time>'
    assert moment("2026-02-28T23:30:00Z") == moment(at.astimezone(UTC))
    assert moment(None) == "–"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0, "0 s"), (59.6, "1 min"), (7500, "2 h 5 min"), (90061, "1 d 1 h"), (-5, "0 s")],
)
def test_spans_are_told_in_two_units_at_most(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


def test_without_scripts_numbers_are_grouped_by_narrow_spaces_that_no_language_reads_as_a_point() -> None:
    assert Read(number(1234567)).text == "1\u202f234\u202f567"
    assert Read(decimal(1234.56)).text == "1\u202f234.6"
    assert Read(decimal(0.1, digits=3)).text == "0.100"
    assert (number(None), decimal(None), grouped(999)) == ("–", "–", "999")


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_script_reads_the_very_number_that_is_shown(value: float) -> None:
    read = Read(number(value))
    assert read.tags == ["data"]
    assert float(dict(read.attributes)["value"] or "") == float(value)


def test_no_fact_of_a_page_hides_what_all_pages_mean_by_a_name() -> None:
    with pytest.raises(ValueError, match="moatdns_version"):
        rendered(TEMPLATES, "shared/problem.html", {"moatdns_version": "1"})


def test_every_number_of_a_template_goes_through_a_filter_that_knows_languages() -> None:
    own = re.compile(r'"[^"]*%[.0-9]*[dfg][^"]*" %|:,|\| ?round|\| ?format')
    assert [
        path.name for path in FOLDER.glob("*/*.html") if own.search(path.read_text()) and path.name != "setup.html"
    ] == []


def test_segments_and_queries() -> None:
    assert segment("anthropic/claude?x=1") == "anthropic%2Fclaude%3Fx%3D1"
    assert with_query("/queries", {"name": "a&b", "client": None}, cursor="") == "/queries?name=a%26b"
    assert with_query("/queries", {"client": "::1"}, client=None) == "/queries"
