"""Counts for a forecast, from real days of the query log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin_api.forecast import counting
from admin_api.forecast.child import count
from admin_api.forecast.messages import CountLog
from admin_api.query_log import files
from tests.support.log_blocks import add_rows
from tests.support.old_query_log import add_old_rows

BEGIN = datetime(2026, 5, 10, tzinfo=UTC)
END = BEGIN + timedelta(days=14)
Adding = Callable[[Path, str, list[list[Any]]], None]


def row(day: int, client: str | None, name: str, verdict: str = "monitor", **more: Any) -> list[Any]:
    at = (BEGIN + timedelta(days=day, hours=12)).timestamp()
    service, group = more.get("service", "acme/chat"), more.get("group", "staff")
    return [at, client, group, name, "A", "NOERROR", verdict, service, more.get("list"), name, None, "udp", 0.0]


def written(folder: Path, rows: list[list[Any]], add: Adding = add_rows) -> Path:
    """A state directory with these queries."""
    for day in sorted({files.day_of(one[0]) for one in rows}):
        add(folder / files.FOLDER, day, [one for one in rows if files.day_of(one[0]) == day])
    return folder


def counted(state_dir: Path, group: str | None = None) -> counting.CountedLog:
    return count(CountLog(state_dir, BEGIN.timestamp(), END.timestamp(), group))


ROWS = [
    *[row(day, "10.0.0.1", "chat.acme.example") for day in range(4) for _ in range(5)],
    row(0, "10.0.0.2", "chat.acme.example"),
    row(1, "10.0.0.2", "api.acme.example"),
    row(1, "10.0.0.3", "house.example", service=None, list="house"),
    row(2, "10.0.0.4", "other.example", "block"),
    row(2, "10.0.0.5", "let.example", "exempt"),
    row(2, "10.9.0.1", "chat.acme.example", group="lab"),
    row(-1, "10.0.0.6", "before.example"),
    row(14, "10.0.0.7", "after.example"),
]


@pytest.mark.parametrize("add", [add_rows, add_old_rows])
def test_it_says_who_would_be_hit_by_which_service_and_name(tmp_path: Path, add: Adding) -> None:
    found = counted(written(tmp_path, ROWS, add))
    lab, staff = found.groups
    assert (lab.group, lab.queries, lab.clients) == ("lab", 1, 1)
    assert (staff.group, staff.queries, staff.blocked, staff.exempted) == ("staff", 23, 1, 1)
    assert (staff.clients, staff.seen, staff.holds_all) == (3, 5, False)
    assert staff.services == [
        counting.ServiceCount("acme/chat", None, 22, 2, 1),
        counting.ServiceCount(None, "house", 1, 1, 0),
    ]
    assert staff.names[0] == counting.NameCount("chat.acme.example", "acme/chat", None, 21, 2)
    assert {one.name for one in staff.names} == {"chat.acme.example", "api.acme.example", "house.example"}
    assert staff.top[0] == counting.ClientCount("10.0.0.1", 20, 1)
    assert found.first_day == "2026-05-10"
    assert found.lacks == []


def test_one_group_alone_and_a_log_of_all_queries(tmp_path: Path) -> None:
    state_dir = written(tmp_path, [*ROWS, row(3, "10.0.0.8", "plain.example", "allow", service=None)])
    (staff,) = counted(state_dir, "staff").groups
    assert (staff.seen, staff.holds_all) == (6, True)


def test_hidden_clients_are_no_client(tmp_path: Path) -> None:
    (staff,) = counted(written(tmp_path, [row(0, None, "chat.acme.example") for _ in range(3)])).groups
    assert (staff.queries, staff.clients, staff.top) == (3, 0, [])


def test_a_person_is_counted_by_name_and_with_pseudonyms_by_address_since_these_are_others_each_week(
    tmp_path: Path,
) -> None:
    def by(day: int, address: str, identity: str) -> list[Any]:
        return [*row(day, address, "chat.acme.example"), None, identity]

    named = [by(0, "10.0.0.1", "ana@corp.example"), by(8, "10.0.0.2", "ana@corp.example")]
    (staff,) = counted(written(tmp_path / "named", named)).groups
    assert [one.client for one in staff.top] == ["ana@corp.example"]
    weekly = [by(0, "10.0.0.1", "~aaaaaaaaaaaaaaaa"), by(8, "10.0.0.1", "~bbbbbbbbbbbbbbbb")]
    (staff,) = counted(written(tmp_path / "weekly", weekly)).groups
    assert [one.client for one in staff.top] == ["10.0.0.1"]
    hidden = [by(0, "", "~aaaaaaaaaaaaaaaa")]
    (staff,) = counted(written(tmp_path / "hidden", hidden)).groups
    assert [one.client for one in staff.top] == ["~aaaaaaaaaaaaaaaa"]


def test_beyond_its_bounds_it_says_that_numbers_are_too_low(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_PAIRS", 10)
    monkeypatch.setattr(counting, "MOST_NAMES", 5)
    rows = [row(0, f"10.0.0.{number}", f"n{number}.example") for number in range(20)]
    found = counted(written(tmp_path, rows))
    (staff,) = found.groups
    assert staff.queries == 20
    assert staff.services[0].queries == 20
    assert staff.clients < 20
    assert len(staff.names) == 5
    assert len(found.lacks) == 2


def test_a_damaged_day_and_a_damaged_block_are_told_and_passed_over(tmp_path: Path) -> None:
    state_dir = written(tmp_path, ROWS)
    folder = state_dir / files.FOLDER
    files.path_of(folder, "2026-05-12").write_bytes(b"no database" * 100)
    with closing(sqlite3.connect(files.path_of(folder, "2026-05-11"))) as connection, connection:
        connection.execute("UPDATE blocks SET packed = x'00'")
    found = counted(state_dir)
    assert found.lacks == [
        "the log of 2026-05-12 cannot be read",
        "blocks of the log that cannot be read and are not counted: 1, each of up to 4096 queries, of 2026-05-11",
    ]
    assert [day for day, _ in found.unreadable] == ["2026-05-11"]
    assert found.groups[0].queries == 11


@pytest.mark.parametrize("rows", [[], [row(-1, "10.0.0.6", "before.example")]])
def test_an_empty_log_is_told(tmp_path: Path, rows: list[list[Any]]) -> None:
    found = counted(written(tmp_path, rows))
    assert found.groups == []
    assert [text.partition(":")[0] for text in found.lacks] == ["the query log has nothing of that time"]


def test_of_a_group_without_hits_in_a_log_that_has_some_nothing_is_said(tmp_path: Path) -> None:
    found = counted(written(tmp_path, ROWS), "nobody")
    assert (found.groups, found.lacks) == ([], [])
