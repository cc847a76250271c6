"""JSON pointers and key paths say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.editing.errors import path_of, pointer


@given(st.lists(st.text().filter(lambda part: not part.isdigit()) | st.integers(0, 999_999_999)))
def test_a_path_comes_back_from_its_pointer(path: list[str | int]) -> None:
    assert path_of(pointer(path)) == tuple(path)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    path_of(text)


@pytest.mark.parametrize("part", ["\u00b2", "\u0663", "007", "9" * 5000])
def test_what_only_looks_like_an_index_is_a_key(part: str) -> None:
    assert path_of(f"/{part}") == (part,)
