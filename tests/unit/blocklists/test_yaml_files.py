"""YAML of the catalogue's files: what is read, and what is refused."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blocklists.data_files import data_files
from blocklists.yaml_files import parse_yaml

_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\u2028\u2029\ufeff\x85")
)
_VALUES = st.recursive(
    _TEXT | st.dates(datetime.date(2000, 1, 1)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
def test_all_files_of_the_catalogue_are_read_as_a_full_yaml_reader_reads_them() -> None:
    for _, content in data_files(None):
        assert parse_yaml(content) == yaml.safe_load(content)


@given(_VALUES)
def test_what_a_yaml_writer_writes_is_read_back(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value, allow_unicode=True).encode()) == value


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_but_a_yaml_error(octets: bytes) -> None:
    with contextlib.suppress(yaml.YAMLError, ValueError):
        parse_yaml(octets)


@given(st.from_regex(r"[-+.~<=0-9a-zA-Z_:]{1,12}", fullmatch=True))
def test_a_plain_word_means_what_a_full_yaml_reader_says(word: str) -> None:
    try:
        meant = yaml.safe_load(f"[{word}]")
    except (yaml.YAMLError, ValueError):
        return
    if not isinstance(meant[0], dict):
        assert repr(parse_yaml(f"[{word}]".encode())) == repr(meant)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: 1\na: 2", "line 2: key 'a' is written twice"),
        (b"a: *x", "no anchor &x"),
        (b"a: &x [*x]", "no anchor &x"),
        (b"? [a]\n: b", "a key is text"),
        (b"a\n---\nb", "a second document"),
        (b"a: !!python/object:os.system b", "no tags here"),
        (b"[" * 30 + b"]" * 30, "nested too deeply"),
        (b"a: [1", "expected ',' or ']'"),
    ],
)
def test_what_no_data_file_needs_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(yaml.YAMLError, match=why.replace("[", r"\[").replace("]", r"\]")):
        parse_yaml(text)
