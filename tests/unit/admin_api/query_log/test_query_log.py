"""The query log: every event is written with its reason, found again page by page, and bounded."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin_api.query_log import files
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.writer import COMMIT_SECONDS, QueryLogWriter
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import make_log
from resolver.telemetry.query_events import QueryEvents, middle
from tests.support.programs import wait_until

NOW = time.time()


def event(number: int, *, at: float | None = None, name: str = "", client: str | None = "10.0.0.1") -> list[Any]:
    moment = NOW - 1000 + number * 0.01 if at is None else at
    name = name or f"n{number}.example"
    return [moment, client, "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0]


class Logged:
    """A writer with its socket, and a reader."""

    def __init__(self, state_dir: Path, **settings: Any) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._theirs = theirs
        self.folder = state_dir / files.FOLDER
        self.writer = QueryLogWriter(theirs, ControlSettings(str(state_dir), **settings), make_log())
        self.reader = QueryLogReader(state_dir)

    async def write(self, *events: list[Any]) -> None:
        """Send events, end the writer, and so have them written."""
        for first in range(0, len(events), 200):
            self.ours.send("".join(json.dumps(each) + "\n" for each in events[first : first + 200]).encode())
            self.writer._readable()
        await self.writer.close()
        self.ours.close()
        self._theirs.close()

    async def all_pages(self, limit: int = 100, **filters: str) -> list[dict[str, Any]]:
        """Page by page, to the end."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await self.reader.page(filters, None, None, limit=limit, cursor=cursor)
            found += page.items  # type: ignore[arg-type]
            cursor = page.next
            if cursor is None:
                return found


@pytest.fixture
async def logged(tmp_path: Path) -> AsyncIterator[Logged]:
    made = Logged(tmp_path)
    made.writer.start()
    yield made


async def test_events_come_back_newest_first_without_gaps_or_doubles(logged: Logged) -> None:
    await logged.write(*(event(number) for number in range(1000)))
    found = await logged.all_pages(limit=7)
    assert [item["name"] for item in found] == [f"n{number}.example" for number in reversed(range(1000))]
    assert found[0] | {"at": ""} == {
        "at": "",
        "client": "10.0.0.1",
        "group": "default",
        "name": "n999.example",
        "type": "A",
        "rcode": "NOERROR",
        "verdict": "block",
        "service": "a/b",
        "list": "a/b",
        "rule": "n999.example",
        "exemption": None,
        "protocol": "udp",
        "duration_ms": 0.0,
    }


async def test_days_have_files_of_their_own_and_pages_go_on_over_them(logged: Logged) -> None:
    days = [event(number, at=NOW - number * 43_200) for number in reversed(range(6))]
    await logged.write(*days)
    assert len(files.days(logged.folder)) in (3, 4)
    assert [item["name"] for item in await logged.all_pages(limit=1)] == [f"n{number}.example" for number in range(6)]


async def test_filters_find_a_name_and_all_below_it_and_nothing_beside(logged: Logged) -> None:
    names = ["a.example", "b.a.example", "aa.example", "a.example.org", "%.example", "'; DROP TABLE queries; --"]
    await logged.write(*(event(number, name=name) for number, name in enumerate(names)))
    assert {item["name"] for item in await logged.all_pages(name="A.example.")} == {"a.example", "b.a.example"}
    assert [item["name"] for item in await logged.all_pages(name="%.example")] == ["%.example"]
    assert not await logged.all_pages(name="'", client="x")
    assert len(await logged.all_pages(service="a/b", verdict="block", group="default", client="10.0.0.1")) == 6
    start, end = datetime.fromtimestamp(NOW - 1000 + 0.015, UTC), datetime.fromtimestamp(NOW - 1000 + 0.035, UTC)
    page = await logged.reader.page({}, start, end, limit=10, cursor=None)
    assert [item["name"] for item in page.items] == ["a.example.org", "aa.example"]


async def test_rows_that_come_meanwhile_disturb_no_page(tmp_path: Path) -> None:
    first = Logged(tmp_path)
    first.writer.start()
    await first.write(*(event(number) for number in range(50)))
    page = await first.reader.page({}, None, None, limit=20, cursor=None)
    second = Logged(tmp_path)
    second.writer.start()
    await second.write(*(event(number) for number in range(50, 90)))
    rest = await first.reader.page({}, None, None, limit=100, cursor=page.next)
    seen = [item["name"] for item in (*page.items, *rest.items)]
    assert seen == [f"n{number}.example" for number in reversed(range(50))]


@pytest.mark.slow
async def test_pages_are_in_order_of_time_though_workers_tell_of_their_queries_one_after_the_other(
    logged: Logged,
) -> None:
    """Each sends what it has a few times a second."""
    for first in range(0, 400, 40):
        for worker in (0, 1):
            some = [event(number) for number in range(first + worker, first + 40, 2)]
            logged.ours.send("".join(json.dumps(each) + "\n" for each in some).encode())
        logged.writer._readable()
        await asyncio.sleep(COMMIT_SECONDS / 4)
    await logged.write()
    assert [item["name"] for item in await logged.all_pages(limit=7)] == [
        f"n{number}.example" for number in reversed(range(400))
    ]


async def test_a_hidden_client_is_null(logged: Logged) -> None:
    await logged.write(event(1, client=""))
    assert (await logged.all_pages())[0]["client"] is None


async def test_what_is_no_event_is_dropped_and_counted_and_the_rest_written(logged: Logged) -> None:
    logged.ours.send(b"nonsense\n")
    await logged.write(event(1))
    assert logged.writer.dropped == 1
    assert len(await logged.all_pages()) == 1


@pytest.mark.slow
async def test_old_days_and_too_much_go_the_oldest_first(tmp_path: Path) -> None:
    old = Logged(tmp_path)
    old.writer.start()
    await old.write(*(event(number, at=NOW - number * 86_400) for number in range(6)))
    new = Logged(tmp_path, retention_days=3)
    new.writer.start()
    await new.write(event(0))
    new.writer._tidy()
    assert len(files.days(new.folder)) == 3
    day = files.days(new.folder)[0]
    for _ in range(30):
        connection = files.open_to_write(new.folder, day)
        with connection:
            connection.executemany(
                "INSERT INTO queries (at, name, verdict, protocol, duration_ms) VALUES (?, ?, 'block', 'udp', 0)",
                [(NOW, "x" * 200)] * 500,
            )
        connection.close()
    small = Logged(tmp_path, max_mib=1)
    small.writer._tidy()
    assert files.days(small.folder) == [day]
    for connection in small.writer._connections.values():
        connection.close()
    assert files.size(small.folder, day) < 3 << 20
    small.ours.close()
    small._theirs.close()


async def test_a_day_that_is_too_much_loses_its_older_half_once(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    logged.writer.start()
    await logged.write(*(event(number, name=f"{number}.{'x' * 60}.example") for number in range(6000)))
    small = Logged(tmp_path, max_mib=1)
    assert 1 << 20 < files.size(small.folder, files.days(small.folder)[0]) < 2 << 20
    for _ in range(3):
        small.writer._tidy()
    for connection in small.writer._connections.values():
        connection.close()
    found = [item["name"].partition(".")[0] for item in await small.all_pages(limit=1000)]
    assert found == [str(number) for number in reversed(range(3000, 6000))]
    small.ours.close()
    small._theirs.close()


@pytest.mark.slow
async def test_a_damaged_day_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    day = datetime.fromtimestamp(NOW - 1000, UTC).strftime("%Y-%m-%d")
    (tmp_path / files.FOLDER).mkdir()
    files.path_of(tmp_path / files.FOLDER, day).write_bytes(b"this is no database at all, whatever it says" * 200)
    logged = Logged(tmp_path)
    logged.writer.start()
    logged.ours.send((json.dumps(event(1)) + "\n").encode())
    logged.writer._readable()
    await asyncio.to_thread(wait_until, lambda: list(logged.folder.glob("*.damaged")), "the file is set aside")
    await logged.write(event(2))
    assert [item["name"] for item in await logged.all_pages()] == ["n2.example"]


async def test_a_cursor_that_is_none_of_ours_is_refused(logged: Logged) -> None:
    await logged.write()
    for cursor in ("x", "bm8", "WyIyMDI2Il0", "WzEsMl0"):
        with pytest.raises(ValueError, match="cursor"):
            await logged.reader.page({}, None, None, limit=1, cursor=cursor)


def test_events_are_valid_lines_whatever_the_name_holds() -> None:
    from collections import Counter

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    dropped: Counter[str] = Counter()
    events = QueryEvents(ours, "all", dropped)
    name = '"\\\n\x00<script>'
    events.put(b'"10.0.0.1"', middle(("g", name, "A", "NOERROR", "block", None, "l", None, None, "udp")), 1.5)
    events.flush()
    (line,) = theirs.recv(65536).splitlines()
    assert json.loads(line)[3] == name
    assert json.loads(line)[12] == 1.5
    ours.close()
    theirs.close()


def test_events_are_kept_while_nobody_takes_them_and_dropped_beyond_the_bound() -> None:
    from collections import Counter

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    dropped: Counter[str] = Counter()
    events = QueryEvents(ours, "all", dropped)
    line = middle(("g", "n" * 2000, "A", "NOERROR", "block", None, "l", None, None, "udp"))
    for _ in range(30_000):
        events.put(b'"10.0.0.1"', line)
    taken = 0
    for _ in range(2000):
        events.flush()
        try:
            taken += theirs.recv(65536).count(b"\n")
        except BlockingIOError:
            break
    assert dropped["query_log"] > 0
    assert taken + dropped["query_log"] == 30_000
    ours.close()
    theirs.close()


async def test_a_day_that_a_version_without_remarks_began_is_read_and_gone_on_with(tmp_path: Path) -> None:
    day, folder = "2026-03-01", tmp_path / files.FOLDER
    at = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    old = event(1, at=at, name="a.example")
    with closing(files.open_to_write(folder, day)) as connection:
        connection.execute("ALTER TABLE queries DROP COLUMN remark")
        connection.execute(f"INSERT INTO queries VALUES (1, {','.join('?' * len(old))})", old)
        connection.execute("INSERT INTO spans VALUES (0, ?, ?)", (at, at))
    assert await remarks_of(tmp_path) == [("a.example", None)]
    with closing(files.open_to_write(folder, day)) as connection:
        more = [[*event(2, at=at + 1, name="b.example"), "left out"], event(3, at=at + 2, name="c.example")]
        files.add(connection, more)
    assert await remarks_of(tmp_path) == [("c.example", None), ("b.example", "left out"), ("a.example", None)]


async def remarks_of(state_dir: Path) -> list[tuple[str, str | None]]:
    """Name and remark of all rows, newest first."""
    page = await QueryLogReader(state_dir).page({}, None, None, limit=10, cursor=None)
    return [(item["name"], item.get("remark")) for item in page.items]


async def test_a_remark_stands_before_the_duration_of_an_event_and_behind_it_in_the_log(
    logged: Logged, tmp_path: Path
) -> None:
    *facts, duration = event(1)
    await logged.write([*facts, "left out", duration], event(2))
    assert await remarks_of(tmp_path) == [("n2.example", None), ("n1.example", "left out")]
