"""Copies of fed catalogues in the state directory, and what is remembered of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.feed.judging import FeedRefused
from blocklists.feed.kept import (
    FOLDER,
    FeedState,
    accept_held,
    accepted,
    higher,
    highest_of,
    keep,
    kept_path,
    load_fed,
    load_signed,
    plain_of,
    read_state,
    write_state,
)
from resolver.errors import CatalogueError

from .signed import KEY, OTHER_KEY, fed, signature

SEEN = {"acme": (7, "a" * 64), "other": (2, "b" * 64)}


def test_a_copy_is_read_as_it_was_kept(tmp_path: Path) -> None:
    digest = keep(tmp_path, fed(), signature(fed()))
    assert load_signed(tmp_path, digest, [KEY.public]).version.number == 7
    assert load_fed(kept_path(tmp_path, digest)).digest == digest
    assert kept_path(tmp_path, digest).stat().st_mode & 0o777 == 0o600


def test_a_copy_counts_no_more_without_its_key(tmp_path: Path) -> None:
    digest = keep(tmp_path, fed(), signature(fed()))
    with pytest.raises(FeedRefused, match="trusted are"):
        load_signed(tmp_path, digest, [OTHER_KEY.public])


@pytest.mark.parametrize("change", ["another", "gone", "a link"])
def test_a_copy_that_was_changed_is_refused(tmp_path: Path, change: str) -> None:
    digest = keep(tmp_path, fed(), signature(fed()))
    path = kept_path(tmp_path, digest)
    if change == "another":
        path.write_bytes(fed(version=9))
    elif change == "gone":
        path.unlink()
    else:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FeedRefused):
        load_signed(tmp_path, digest, [KEY.public])
    with pytest.raises(CatalogueError):
        load_fed(path)


def test_the_state_is_read_as_it_was_written_and_other_copies_are_removed(tmp_path: Path) -> None:
    digests = [keep(tmp_path, content, signature(content)) for content in (fed(), fed(version=8), fed(version=9))]
    state = FeedState(digests[0], digests[1], "it is large", "", SEEN)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [kept_path(tmp_path, digest).exists() for digest in digests] == [True, True, False]
    assert len(list((tmp_path / FOLDER).iterdir())) == 5


def test_a_person_accepts_by_a_file(tmp_path: Path) -> None:
    assert accepted(tmp_path) is None
    digest = keep(tmp_path, fed(), signature(fed()))
    accept_held(tmp_path, digest)
    assert accepted(tmp_path) == digest


def test_of_two_records_the_higher_counts() -> None:
    older = {"acme": (6, "c" * 64), "third": (1, "d" * 64)}
    for one, other in ((SEEN, older), (older, SEEN)):
        assert higher(one, other) == {**SEEN, "third": (1, "d" * 64)}
    assert highest_of(plain_of(SEEN)) == SEEN


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(_VALUES)
def test_no_record_breaks_its_reader(plain: Any) -> None:
    assert highest_of(highest_of(plain)) == {} or isinstance(plain, dict)


@given(st.binary(max_size=200) | _VALUES.map(lambda value: repr(value).encode()))
def test_no_file_breaks_the_reader_of_states(tmp_path_factory: pytest.TempPathFactory, octets: bytes) -> None:
    state_dir = tmp_path_factory.mktemp("state")
    (state_dir / FOLDER).mkdir()
    for name in ("state.json", "accepted"):
        (state_dir / FOLDER / name).write_bytes(octets)
    assert isinstance(read_state(state_dir), FeedState)
    assert accepted(state_dir) is None
