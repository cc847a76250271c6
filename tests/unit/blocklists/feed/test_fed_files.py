"""The file of a fed catalogue: what it has to say, and what is refused before anything of it counts."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.feed import content
from blocklists.feed.content import FedCatalogue, built
from blocklists.feed.merging import with_feed
from resolver.errors import CatalogueError
from tests.unit.bundled import bundled_catalogue

from .signed import entry, fed, vendor


def refusal(octets: bytes) -> str:
    """Why a file is not taken."""
    with pytest.raises(CatalogueError) as caught:
        with_feed(bundled_catalogue(), FedCatalogue.parse(octets))
    return str(caught.value)


def test_a_file_says_its_version_its_end_and_its_rules() -> None:
    read = FedCatalogue.parse(fed())
    expires = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
    assert (read.version.series, read.version.number, read.version.expires) == ("acme", 7, expires)
    whole = with_feed(bundled_catalogue(), read)
    assert [domain.rule.text for domain in whole.fed] == ["newco.example"]
    assert "newco" in whole.vendors


@pytest.mark.parametrize(
    ("different", "said"),
    [
        ({"format": None}, "there is no 'format'"),
        ({"format": 2}, "its format is 2; this version of moatdns reads 1"),
        ({"format": True}, "its format is True"),
        ({"version": None}, "not so: 'version'"),
        ({"more": 1}, "not so: 'more'"),
        ({"version": 0}, "version: 0 is not a number"),
        ({"version": 10**16}, "is not a number from 1"),
        ({"version": True}, "version: True"),
        ({"version": 7.0}, "version: 7.0"),
        ({"series": "Acme Ltd"}, "series: 'Acme Ltd'"),
        ({"series": ""}, "series: ''"),
        ({"expires": "2027-13-01T00:00:00Z"}, "expires:"),
        ({"expires": "2027-01-01"}, "expires:"),
        ({"expires": "2027-01-01T00:00:00+02:00"}, "expires:"),
        ({"files": {}}, "files: expected"),
        ({"files": []}, "files: expected"),
        ({"files": {"vendors/../x.yaml": {}}}, "not the name of a data file"),
        ({"files": {"gateways/acme.yaml": {}}}, "not the name of a data file"),
        ({"files": {"vendors/acme.yaml": 3}}, "vendors/acme.yaml: expected a mapping"),
        ({"files": {"vendors/acme.yaml": {"vendor": "acme"}}}, "is missing"),
        ({"files": {"vendors/acme.yaml": vendor("ai")}}, "expected 'acme'"),
    ],
)
def test_what_is_wrong_is_said(different: dict[str, Any], said: str) -> None:
    assert said in refusal(fed(**different))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (entry("newco.example", "nothing"), "no service 'newco/nothing'"),
        (entry("newco.example", seen="soon"), "seen: expected a date"),
        (entry("newco.example", seen="2026-02-30"), "seen: expected a date"),
        (entry("newco.example", needed_by=["nobody/chat"]), "no service 'nobody/chat'"),
        (entry("com"), "public suffix"),
        (entry("/x/"), "no expressions here"),
        (entry("ip:192.0.2.0/24"), "no addresses here"),
        (entry("chat*.example"), "there have to be two labels"),
        (entry("newco.example", allow=True), "unknown key 'allow'"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(bad: dict[str, Any], said: str) -> None:
    assert said in refusal(fed(bad))


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format": 1, "format": 1}', "the key 'format' is there twice"),
        (b"[1]", "there is no 'format'"),
        (fed(entry("newco.example", note="\ud800")), "not readable as JSON"),
        (fed()[:-1], "not readable as JSON"),
    ],
)
def test_what_is_no_such_file_is_refused(octets: bytes, said: str) -> None:
    assert said in refusal(octets)


def test_too_many_rules_and_patterns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_RULES", 2)
    monkeypatch.setattr(content, "MOST_PATTERNS", 1)
    assert "has 3 rules; at most 2" in refusal(fed(*(entry(f"n{number}.example") for number in range(3))))
    assert "has 2 patterns; at most 1" in refusal(fed(entry("a*.n.example"), entry("b*.n.example")))


@given(st.binary(max_size=300))
def test_no_octets_break_the_reader(octets: bytes) -> None:
    with pytest.raises(CatalogueError):
        FedCatalogue.parse(octets)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(st.sampled_from(["format", "series", "version", "expires", "files"]), _VALUES)
def test_no_value_of_any_key_breaks_the_reader(key: str, value: Any) -> None:
    octets = json.dumps({**json.loads(fed()), key: value}).encode()
    try:
        with_feed(bundled_catalogue(), FedCatalogue.parse(octets))
    except CatalogueError as error:
        assert str(error)


@given(st.sampled_from(["vendor", "name", "services", "domains", "shared", "limits"]), _VALUES)
def test_no_value_of_a_data_file_breaks_the_reader(key: str, value: Any) -> None:
    files = {"vendors/newco.yaml": {**vendor("newco", entry("newco.example")), key: value}}
    try:
        with_feed(bundled_catalogue(), FedCatalogue.parse(fed(files=files)))
    except CatalogueError as error:
        assert str(error)


@given(st.sampled_from(["rule", "service", "surface", "source", "seen", "needed_by", "response", "note"]), _VALUES)
def test_no_value_of_an_entry_breaks_the_reader(key: str, value: Any) -> None:
    try:
        with_feed(bundled_catalogue(), FedCatalogue.parse(fed({**entry("newco.example"), key: value})))
    except CatalogueError as error:
        assert str(error)


def test_what_is_built_is_read_as_it_was() -> None:
    expires = datetime.datetime(2027, 3, 1, tzinfo=datetime.UTC)
    files = {"vendors/newco.yaml": vendor("newco", entry("newco.example", seen=datetime.date(2026, 11, 2)))}
    read = FedCatalogue.parse(built("acme", 3, expires, files))
    assert (read.version.series, read.version.number, read.version.expires) == ("acme", 3, expires)
    assert read.files == files


@pytest.mark.parametrize(("series", "number"), [("Not a word", 1), ("acme", 0)])
def test_what_no_receiver_takes_is_not_built(series: str, number: int) -> None:
    with pytest.raises(CatalogueError):
        built(series, number, datetime.datetime(2027, 3, 1, tzinfo=datetime.UTC), {"vendors/newco.yaml": {}})
