"""The journal of erasures, which names nobody, and reads whatever a file may hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.query_log import erased
from admin_api.query_log.erased import (
    ERASED_FILE,
    ErasureNote,
    digest_of,
    matcher,
    read_erasures,
    to_repeat,
    told_in,
    write_erasures,
)
from resolver.telemetry.query_block_lines import BlockClient

KEY = b"k" * 32
AT = datetime(2026, 11, 27, 3, tzinfo=UTC)


def note(client: str, minutes: float, *, lasted: float | None = 1) -> ErasureNote:
    asked = AT + timedelta(minutes=minutes)
    done = "" if lasted is None else (asked + timedelta(minutes=lasted)).isoformat()
    return ErasureNote(digest_of(KEY, client), asked.isoformat(), done)


def test_the_journal_tells_who_is_meant_to_who_has_the_key_and_names_nobody(tmp_path: Path) -> None:
    write_erasures(tmp_path, [note("10.0.0.2", 0), note("2001:db8::1", 1)])
    path = tmp_path / ERASED_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"10.0.0" not in path.read_bytes()
    is_theirs = matcher(KEY, {each.digest for each in read_erasures(tmp_path)})
    asked = ("10.0.0.2", "2001:db8::1", "10.0.0.3", "", "10.0.0.2")
    assert [is_theirs(BlockClient(address)) for address in asked] == [True, True, False, False, True]
    assert not matcher(b"x" * 32, {note("10.0.0.2", 0).digest})(BlockClient("10.0.0.2"))


def test_a_person_is_told_by_the_identity_and_nobody_by_the_same_text_as_an_address() -> None:
    is_theirs = matcher(KEY, {digest_of(KEY, "ana", "identity"), digest_of(KEY, "10.0.0.2")})
    asked = (BlockClient("", "ana"), BlockClient("10.0.0.9", "ana"), BlockClient("10.0.0.2", "ben"), BlockClient("ana"))
    assert [is_theirs(client) for client in asked] == [True, True, True, False]
    assert not is_theirs(BlockClient("10.0.0.9", "10.0.0.2"))


def test_each_client_is_there_once_with_the_last_erasure(tmp_path: Path) -> None:
    begun = note("10.0.0.2", 5, lasted=None)
    write_erasures(tmp_path, [note("10.0.0.2", 0), note("10.0.0.3", 1), begun])
    assert read_erasures(tmp_path) == [note("10.0.0.3", 1), begun]
    write_erasures(tmp_path, [*read_erasures(tmp_path), note("10.0.0.2", 5), begun, note("10.0.0.2", 2)])
    assert read_erasures(tmp_path) == [note("10.0.0.3", 1), note("10.0.0.2", 5)]


def test_the_oldest_are_forgotten_beyond_the_bound(tmp_path: Path) -> None:
    notes = [note(f"10.0.0.{number}", number) for number in range(3)]
    assert write_erasures(tmp_path, notes, 2) == 1
    assert read_erasures(tmp_path) == notes[1:]


@pytest.mark.parametrize(
    ("at", "is_repeated"),
    [("2026-11-27T03:00:30Z", True), ("2026-11-27T03:01:00.5Z", False), ("2026-11-27T04:00:30+01:00", True)],
)
def test_an_erasure_is_repeated_where_it_was_not_over_at_the_backup(at: str, *, is_repeated: bool) -> None:
    over = note("10.0.0.2", 0)
    assert to_repeat([over], at) == (frozenset({over.digest}) if is_repeated else frozenset())
    assert len(to_repeat([note("10.0.0.2", 0, lasted=None)], "2027-01-01T00:00:00Z")) == 1


LINES = st.lists(
    st.one_of(
        st.text(),
        st.binary().map(lambda octets: '"erase' + octets.decode("latin-1")),
        st.recursive(
            st.none() | st.text() | st.integers(),
            lambda part: st.lists(part) | st.dictionaries(st.sampled_from(["event", "erased", "asked", "after"]), part),
        ).map(lambda value: json.dumps(["erase", value])[1:-1]),
        st.dictionaries(
            st.sampled_from(["event", "erased", "asked", "done", "action", "object", "after", "at"]),
            st.sampled_from([erased.EVENT, "erase", "queries", "0" * 64, AT.isoformat(), "0001-01-01", 7, None]),
        ).map(lambda plain: json.dumps({**plain, "erase": 1})),
    )
)


@given(LINES)
def test_whatever_a_log_or_a_journal_holds_is_read_or_passed_over(lines: list[str]) -> None:
    assert all(len(each.digest) == 64 for each in told_in(lines))
    assert to_repeat(told_in(lines), AT.isoformat()) is not None


@given(st.binary())
def test_a_damaged_journal_gives_what_can_be_read(content: bytes) -> None:
    good = {"digest": "a" * 64, "asked": AT.isoformat(), "done": ""}
    lines = [content.decode("utf-8", "replace"), json.dumps(good)]
    notes = erased.merged(erased.notes_of("\n".join(lines)))
    assert ErasureNote("a" * 64, AT.isoformat()) in notes
