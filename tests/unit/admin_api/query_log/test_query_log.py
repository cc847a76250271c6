"""The query log: every event is written with its reason, found again page by page, and bounded."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin_api.query_log import files
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.writer import COMMIT_SECONDS, QueryLogWriter
from resolver.config.settings import ControlSettings, Retention
from resolver.telemetry.log import make_log
from resolver.telemetry.query_block_reading import QueryBlock, read_header
from resolver.telemetry.query_blocks import LogFacts, log_facts, pack
from resolver.telemetry.query_events import QueryEvents
from tests.support.log_blocks import BlockMaker, add_rows
from tests.support.programs import wait_until

NOW = time.time()


def event(number: int, *, at: float | None = None, name: str = "", client: str | None = "10.0.0.1") -> list[Any]:
    moment = NOW - 1000 + number * 0.01 if at is None else at
    name = name or f"n{number}.example"
    return [moment, client, "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0]


def random_text(length: int) -> str:
    """Text that no compression makes smaller by much."""
    return base64.b32encode(os.urandom(length)).decode().lower()[:length]


class Logged:
    """A writer with its socket, and a reader."""

    def __init__(self, state_dir: Path, **settings: Any) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._theirs = theirs
        self.folder = state_dir / files.FOLDER
        self.writer = QueryLogWriter(theirs, ControlSettings(str(state_dir), **settings), make_log())
        self.reader = QueryLogReader(state_dir)

    def send(self, events: Sequence[list[Any]]) -> None:
        """Send events as a worker does, in a block."""
        self.ours.send(BlockMaker().block(events))

    async def write(self, *events: list[Any]) -> None:
        """Send events, end the writer, and so have them written."""
        for first in range(0, len(events), 200):
            self.send(events[first : first + 200])
            self.writer._readable()
        await self.writer.close()
        self.ours.close()
        self._theirs.close()

    def close_days(self) -> None:
        """Close what a tidy-up opened, in a writer that has no thread."""
        for blocks in self.writer._days.values():
            blocks.close()

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


@pytest.mark.parametrize("about", [b"", b'{"node":"n-1"}'])
async def test_a_block_over_midnight_is_shared_out_to_its_days_with_what_is_told_of_it(
    logged: Logged, about: bytes
) -> None:
    midnight = NOW // 86_400 * 86_400
    some = [event(number, at=midnight - 100 + number) for number in range(200)]
    logged.ours.send(pack(*BlockMaker().rows(some), about))
    await logged.write()
    assert len(files.days(logged.folder)) == 2
    for day, numbers in zip(files.days(logged.folder), (range(100, 200), range(100)), strict=True):
        with closing(files.open_to_read(logged.folder, day)) as connection:
            ((packed,),) = connection.execute("SELECT packed FROM blocks").fetchall()
        assert QueryBlock(packed).names() == [f"n{number}.example" for number in numbers]
        assert QueryBlock(packed).about() == about


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
            logged.send(some)
        logged.writer._readable()
        await asyncio.sleep(COMMIT_SECONDS / 4)
    await logged.write()
    assert [item["name"] for item in await logged.all_pages(limit=7)] == [
        f"n{number}.example" for number in reversed(range(400))
    ]


async def test_a_person_is_taken_out_of_all_days_while_the_log_goes_on(logged: Logged) -> None:
    people = ["10.0.0.1", "10.0.0.2"]
    for back in range(4):
        logged.send([event(number, at=NOW - back * 86_400, client=people[number % 2]) for number in range(200)])
    logged.send([event(1, client="10.0.0.2"), event(2)])
    logged.writer._readable()

    def count() -> int:
        return sum(path.stat().st_size > 0 for path in logged.folder.glob("*.sqlite"))

    await asyncio.to_thread(wait_until, lambda: count() >= 4, "all days are written")
    assert await logged.writer.take_out(lambda client: client.address == "10.0.0.2") == 401
    await logged.write(event(3, client="10.0.0.2"))
    found = [item["client"] for item in await logged.all_pages(limit=1000)]
    assert sorted(found) == ["10.0.0.1"] * 401 + ["10.0.0.2"]


async def test_a_hidden_client_is_null(logged: Logged) -> None:
    await logged.write(event(1, client=""))
    assert (await logged.all_pages())[0]["client"] is None


async def test_what_is_no_event_is_dropped_and_counted_and_the_rest_written(logged: Logged) -> None:
    logged.ours.send(b"nonsense\n")
    damaged = bytearray(BlockMaker().block([event(2), event(3)]))
    damaged[-1] ^= 1
    logged.ours.send(damaged)
    unread = pack([1000], [b"1"], [facts("a")], [0.0])  # its checksum is right, and it has no client
    logged.ours.send(unread)
    await logged.write(event(1))
    assert logged.writer.dropped == 3
    assert len(await logged.all_pages()) == 1


@pytest.mark.slow
async def test_old_days_and_too_much_go_the_oldest_first(tmp_path: Path) -> None:
    old = Logged(tmp_path)
    old.writer.start()
    await old.write(*(event(number, at=NOW - number * 86_400) for number in range(6)))
    new = Logged(tmp_path, retention=Retention(query_log_days=3))
    new.writer.start()
    await new.write(event(0))
    new.writer._tidy()
    assert len(files.days(new.folder)) == 3
    day = files.days(new.folder)[0]
    add_rows(new.folder, day, (event(number, name=random_text(900)) for number in range(2_000)))
    assert files.size(new.folder, day) > 1 << 20
    small = Logged(tmp_path, max_mib=1)
    small.writer._tidy()
    assert files.days(small.folder) == [day]
    small.close_days()
    assert files.size(small.folder, day) < 2 << 20
    small.ours.close()
    small._theirs.close()


async def test_a_day_that_is_too_much_loses_its_older_half_once(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    logged.writer.start()
    events = [event(number, name=f"{number}.{random_text(180)}") for number in range(4600)]
    await logged.write(*events)
    small = Logged(tmp_path, max_mib=1)
    assert 1 << 20 < files.size(small.folder, files.days(small.folder)[0]) < 2 << 20
    for _ in range(3):
        small.writer._tidy()
    small.close_days()
    found = [item["name"].partition(".")[0] for item in await small.all_pages(limit=1000)]
    assert found == [str(number) for number in reversed(range(2400, 4600))]
    small.ours.close()
    small._theirs.close()


@pytest.mark.slow
async def test_a_damaged_day_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    day = datetime.fromtimestamp(NOW - 1000, UTC).strftime("%Y-%m-%d")
    (tmp_path / files.FOLDER).mkdir()
    files.path_of(tmp_path / files.FOLDER, day).write_bytes(b"this is no database at all, whatever it says" * 200)
    logged = Logged(tmp_path)
    logged.writer.start()
    logged.send([event(1)])
    logged.writer._readable()
    await asyncio.to_thread(wait_until, lambda: list(logged.folder.glob("*.damaged")), "the file is set aside")
    await logged.write(event(2))
    assert [item["name"] for item in await logged.all_pages()] == ["n2.example"]


async def test_a_cursor_that_is_none_of_ours_is_refused(logged: Logged) -> None:
    await logged.write()
    for cursor in ("x", "bm8", "WyIyMDI2Il0", "WzEsMl0"):
        with pytest.raises(ValueError, match="cursor"):
            await logged.reader.page({}, None, None, limit=1, cursor=cursor)


@pytest.fixture
def told() -> Iterator[tuple[QueryEvents, socket.socket, Counter[str]]]:
    """Events of a worker, the socket that they come out of, and what was dropped."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    dropped: Counter[str] = Counter()
    yield QueryEvents(ours, "all", dropped), theirs, dropped
    ours.close()
    theirs.close()


def facts(name: str, **more: str) -> LogFacts:
    return log_facts(name, ("g", "A", "NOERROR", "block", None, more.get("list", "l"), None, None, "udp"))


Told = tuple[QueryEvents, socket.socket, Counter[str]]


def test_events_come_as_a_block_whatever_the_name_holds(told: Told) -> None:
    events, theirs, _ = told
    name = '"\\\n\x00<script>'
    events.put(b'"10.0.0.1"', facts(name), 1.5)
    events.put(b'"10.0.0.1"', facts("b.example"))
    events.flush()
    block = QueryBlock(theirs.recv(65536))
    assert block.names() == [name, "b.example"]
    assert list(block.durations()) == [1.5, 0.0]
    assert abs(block.moments()[0] / 1000 - time.time()) < 60


def test_events_are_kept_while_nobody_takes_them_and_dropped_beyond_the_bound(told: Told) -> None:
    events, theirs, dropped = told
    some = [facts(random_text(1000)) for _ in range(50)]
    for number in range(30_000):
        events.put(b'"10.0.0.1"', some[number % 50])
    taken = 0
    for _ in range(2000):
        events.flush()
        try:
            taken += read_header(theirs.recv(65536)).rows
        except BlockingIOError:
            break
    assert dropped["query_log"] > 0
    assert taken + dropped["query_log"] == 30_000
    events.put(b'"10.0.0.1"', facts("there is room again"))
    events.flush()
    assert read_header(theirs.recv(65536)).rows == 1


def test_events_that_are_too_long_for_a_datagram_come_in_several_and_one_alone_is_dropped(told: Told) -> None:
    events, theirs, dropped = told
    names = [f"{number}.{random_text(1000)}" for number in range(200)]
    for number, name in enumerate(names):
        events.put(b'""', facts(name))
        if number == 100:
            events.put(b'""', facts("too long", list=random_text(100_000)))
    events.flush()
    found: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            datagram = theirs.recv(65536)
            assert len(datagram) <= 60_000
            found += QueryBlock(datagram).names()
            events.flush()
    assert found == names
    assert dropped["query_log"] == 1


def test_events_that_nobody_will_ever_take_are_dropped_one_by_one(told: Told) -> None:
    events, theirs, dropped = told
    theirs.close()
    for _ in range(3):
        events.put(b'""', facts("a"))
    events.flush()
    assert dropped["query_log"] == 3


async def remarks_of(state_dir: Path) -> list[tuple[str, str | None]]:
    """Name and remark of all rows, newest first."""
    page = await QueryLogReader(state_dir).page({}, None, None, limit=10, cursor=None)
    return [(item["name"], item.get("remark")) for item in page.items]


async def test_a_remark_is_in_the_log_where_there_is_one(logged: Logged, tmp_path: Path) -> None:
    await logged.write([*event(1), "left out"], event(2))
    assert await remarks_of(tmp_path) == [("n2.example", None), ("n1.example", "left out")]
