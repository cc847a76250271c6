"""A receiver judges a feed by its own rules, whoever signed it."""

from __future__ import annotations

import datetime

import pytest

from blocklists.data_files import catalogue_version
from blocklists.feed.checks import covered_innocent, is_large
from blocklists.feed.content import FedCatalogue
from blocklists.feed.judging import (
    FeedRefused,
    authentic,
    check_expiry,
    check_order,
    is_superseded,
    merged,
)
from blocklists.feed.minisign import Signature
from blocklists.versions import Difference
from tests.unit.bundled import bundled_catalogue

from .signed import KEY, NOW, OTHER_KEY, entry, fed, signature

KEYS = (KEY.public,)


def refused(content: bytes) -> FeedRefused:
    """How a feed of that content is refused."""
    with pytest.raises(FeedRefused) as caught:
        merged(bundled_catalogue(), FedCatalogue.parse(content))
    return caught.value


def test_a_signed_catalogue_is_taken() -> None:
    found, key = authentic(fed(), signature(fed()), KEYS)
    assert key == KEY.public
    assert len(merged(bundled_catalogue(), found).fed) == 1


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (None, "unsigned"),
        (b"", "unsigned"),
        (b"<html>not found</html>", "signature"),
        (signature(fed(), OTHER_KEY), "signature"),
        (signature(fed(version=8)), "signature"),
        (signature(fed())[:-20], "signature"),
    ],
)
def test_what_is_not_signed_by_a_trusted_key_is_not_even_read(signed: bytes | None, reason: str) -> None:
    with pytest.raises(FeedRefused) as caught:
        authentic(fed(), signed, KEYS)
    assert caught.value.reason == reason


def test_what_is_signed_and_no_catalogue_is_refused() -> None:
    with pytest.raises(FeedRefused) as caught:
        authentic(b"{}", signature(b"{}"), KEYS)
    assert caught.value.reason == "format"


def test_either_of_two_keys_will_do() -> None:
    for key in (KEY, OTHER_KEY):
        assert authentic(fed(), signature(fed(), key), (KEY.public, OTHER_KEY.public))[1] == key.public


def test_the_version_is_within_what_is_signed() -> None:
    """A trusted comment that says more counts for nothing."""
    content = fed(version=3)
    claims = Signature.make(content, KEY, "version:9").text.encode()
    assert authentic(content, claims, KEYS)[0].version.number == 3


def test_what_has_expired_is_refused() -> None:
    version = FedCatalogue.parse(fed(expires="2026-11-26T12:00:00Z")).version
    check_expiry(version, NOW - datetime.timedelta(seconds=1))
    with pytest.raises(FeedRefused, match="expired on 2026-11-26"):
        check_expiry(version, NOW)


def test_a_version_that_was_before_or_is_another_is_refused() -> None:
    newest = FedCatalogue.parse(fed(version=7))
    highest = {"acme": (7, newest.digest)}
    check_order(newest, highest)
    check_order(FedCatalogue.parse(fed(version=8)), highest)
    check_order(FedCatalogue.parse(fed(version=1, series="other")), highest)
    with pytest.raises(FeedRefused, match="older than version 7"):
        check_order(FedCatalogue.parse(fed(version=6)), highest)
    with pytest.raises(FeedRefused, match="with another content"):
        check_order(FedCatalogue.parse(fed(entry("more.example"), version=7)), highest)


def test_series_are_not_remembered_without_end() -> None:
    highest = {f"s{number}": (1, "x") for number in range(16)}
    with pytest.raises(FeedRefused, match="no more are taken"):
        check_order(FedCatalogue.parse(fed()), highest)
    check_order(FedCatalogue.parse(fed(series="s3")), highest)


def test_a_release_that_is_as_new_takes_the_place_of_its_own_feed_and_of_no_others() -> None:
    bundled = catalogue_version()
    assert is_superseded(FedCatalogue.parse(fed(series="moatdns", version=bundled)).version, bundled)
    assert not is_superseded(FedCatalogue.parse(fed(series="moatdns", version=bundled + 1)).version, bundled)
    assert not is_superseded(FedCatalogue.parse(fed(series="acme", version=1)).version, bundled)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("google.com", "covers accounts.google.com"),
        ("=www.google.com", "covers www.google.com"),
        ("files.npmjs.example", "package registry"),
        ("wikipedia.org", "covers wikipedia.org, which is no AI service"),
        ("*.wikipedia.org", "covers de.wikipedia.org"),
        ("=en.wikipedia.org", "covers en.wikipedia.org"),
        ("en*.wikipedia.org", None),
        ("e*.wikipedia.org", "covers en.wikipedia.org"),
    ],
)
def test_the_lint_and_the_innocents_are_the_receivers(rule: str, said: str | None) -> None:
    if said is None:
        assert merged(bundled_catalogue(), FedCatalogue.parse(fed(entry("newco.example"), entry(rule)))).fed
        return
    error = refused(fed(entry("newco.example"), entry(rule)))
    assert error.reason == "faults"
    assert said in str(error)


def test_many_faults_are_told_in_few_words() -> None:
    hosts = ("wikipedia.org", "debian.org", "kernel.org", "python.org", "gnu.org", "apache.org", "archive.org")
    error = refused(fed(entry("newco.example"), *map(entry, hosts)))
    assert str(error).endswith(" and more")
    assert len(str(error)) < 1000


def test_no_rule_of_the_bundled_catalogue_covers_an_innocent_name() -> None:
    hits = [(domain.rule.text, found) for domain in bundled_catalogue().domains if (found := covered_innocent(domain))]
    assert hits == []


def test_a_change_of_more_than_a_tenth_is_large() -> None:
    base = bundled_catalogue()
    tenth = len(base.domains) // 10
    assert not is_large(Difference(("x",) * (tenth - 1), ("y",)), base)
    assert is_large(Difference(("x",) * tenth, ("y",)), base)


def test_the_bundled_catalogue_has_a_version_not_older_than_its_newest_entry() -> None:
    version = str(catalogue_version())
    assert len(version) == 10, "blocklists/version.txt: the date, and two digits that count within a day"
    dated = datetime.datetime.strptime(version[:8], "%Y%m%d").date()  # noqa: DTZ007 a day
    newest = max(domain.seen for domain in bundled_catalogue().domains)
    assert dated >= newest, "put a later number into blocklists/version.txt"
