"""The section about the catalogue: a plain word as ever, or a feed with its keys."""

from __future__ import annotations

import pytest

from resolver.config.to_settings import control_settings

from .conftest import Load, Problems

KEY = "RWTO5/X/riq/fhzyv3XMBw//urhHYjAfHuiKyttFE6P+ZJ92T9542WIe"
OTHER = "RWRTY0IymnAJGxjp/AyQOiDLcEI5hBPIYuCrvNSYn7PnYzYWTJJQfxKR"


@pytest.mark.parametrize("word", ["auto", "review"])
def test_a_plain_word_is_the_mode(load: Load, word: str) -> None:
    config = load(f"policy: {{catalogue: {word}}}")
    assert config.policy.catalogue.mode == word
    assert control_settings(config).feed is None


def test_a_feed_has_an_address_and_keys(load: Load) -> None:
    text = f"policy: {{catalogue: {{mode: review, feed: 'https://c.example/ai.json', keys: ['{KEY}', '{OTHER}']}}}}"
    feed = control_settings(load(text)).feed
    assert feed is not None
    assert (feed.source, feed.keys, feed.is_reviewed) == ("https://c.example/ai.json", (KEY, OTHER), True)


@pytest.mark.parametrize("written", ["file:///srv/a%20b.json", "file://localhost/srv/a%20b.json", "/srv/a b.json"])
def test_a_feed_may_be_a_file(load: Load, written: str) -> None:
    config = load(f"policy: {{catalogue: {{feed: '{written}', keys: ['{KEY}']}}}}")
    assert config.policy.catalogue.feed == "/srv/a b.json"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("sometimes", "policy.catalogue.mode: should be 'auto' or 'review', is 'sometimes'"),
        ("{feed: 'https://c.example/x'}", "policy.catalogue.keys: is missing: a feed is taken by its signature alone"),
        (f"{{keys: ['{KEY}']}}", "policy.catalogue.keys: are for a feed"),
        (f"{{feed: 'https://c.example/x', keys: ['{KEY}', '{OTHER}', '{KEY[:-1]}f']}}", "policy.catalogue.keys"),
        ("{feed: 'https://c.example/x', keys: [abc]}", "policy.catalogue.keys[0]: 'abc' is not a public key"),
        (f"{{feed: 'https://c.example/x', keys: ['{'A' * 56}']}}", "is not a public key"),
        (f"{{feed: 'ftp://c.example/x', keys: ['{KEY}']}}", "policy.catalogue.feed: 'ftp://c.example/x' is not a URL"),
        (f"{{feed: 'a.json', keys: ['{KEY}']}}", "is neither a URL nor an absolute path"),
        (f"{{feed: '/srv/', keys: ['{KEY}']}}", "is not the path of a file"),
        (f"{{feed: 'file://elsewhere/srv/x', keys: ['{KEY}']}}", "is not the URL of a file here"),
        (f"{{feed: 'http://127.0.0.1/x', keys: ['{KEY}']}}", "leads to 127.0.0.1, which is private or local"),
        (f"{{feed: 'https://u:p@c.example/x', keys: ['{KEY}']}}", "holds a user or a password"),
        ("{fed: x}", "policy.catalogue.fed"),
        ("[auto]", "policy.catalogue"),
    ],
)
def test_each_mistake_is_told_at_its_place(problems: Problems, section: str, said: str) -> None:
    found = problems(f"policy: {{catalogue: {section}}}")
    assert any(said in problem for problem in found), found


def test_a_key_that_is_there_twice_is_kept_once(load: Load) -> None:
    config = load(f"policy: {{catalogue: {{feed: /srv/x, keys: ['{KEY}', '{KEY}']}}}}")
    assert config.policy.catalogue.keys == (KEY,)
