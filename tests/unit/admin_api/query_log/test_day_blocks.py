"""Blocks of a day: whole ones stay as they are, small ones become one, and a person can be taken out."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin_api.query_log import files
from admin_api.query_log.day_blocks import FULL_ROWS, DayBlocks
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.tallies import names_of, pairs_of
from resolver.telemetry.query_block_lines import BlockClient
from resolver.telemetry.query_block_reading import read_header
from resolver.telemetry.query_block_rewriting import PackableRows
from tests.support.log_blocks import BlockMaker, add_rows
from tests.support.old_query_log import add_old_rows

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
DAY = "2026-05-10"
NOTHING = PackableRows([], [], [], [])


def row(number: int, client: str | None = "10.0.0.1", name: str = "") -> list[Any]:
    at = (NOON + timedelta(milliseconds=number)).timestamp()
    name = name or f"n{number}.example"
    return [at, client, "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0.0]


class Day:
    """A day that is written to, and a reader of it."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / files.FOLDER
        self.blocks = DayBlocks(self.folder, DAY)
        self.reader = QueryLogReader(state_dir, budget_seconds=60.0)

    def add(self, *, whole: range = range(0), small: range = range(0)) -> None:
        """Write numbered rows, in a whole block, and in small ones."""
        maker = BlockMaker()
        block = maker.block([row(number) for number in whole]) if whole else b""
        rows = maker.rows([row(number) for number in small])
        self.blocks.add([(read_header(block), block)] if block else [], rows)

    def counts(self) -> list[int]:
        """Rows of the blocks, in the order in which they were written."""
        with closing(files.open_to_read(self.folder, DAY)) as connection:
            return [count for (count,) in connection.execute("SELECT count FROM blocks ORDER BY id")]

    async def names(self, **more: Any) -> list[str]:
        page = await self.reader.page({}, None, None, **{"limit": 5000, "cursor": None, **more})
        return [item["name"] for item in page.items]

    async def newest(self) -> str:
        page = await self.reader.page({}, None, None, limit=1, cursor=None)
        assert page.newest is not None
        return page.newest


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    made = Day(tmp_path)
    yield made
    made.blocks.close()


def numbered(*numbers: int) -> list[str]:
    return [f"n{number}.example" for number in numbers]


async def test_few_rows_at_a_time_become_full_blocks(day: Day) -> None:
    for first in range(0, 1300, 10):
        day.add(small=range(first, first + 10))
    assert day.counts() == [FULL_ROWS, FULL_ROWS, 300]
    assert await day.names() == numbered(*reversed(range(1300)))


async def test_each_poll_has_what_was_written_since_and_nothing_twice_however_it_was_written(day: Day) -> None:
    chance = random.Random(5)
    written = seen = 0
    after = await day.newest()
    for _ in range(60):
        small, whole = chance.choice([0, 1, 7, 300, 700]), chance.choice([0, 0, 150])
        day.add(small=range(written, written + small), whole=range(written + small, written + small + whole))
        written += small + whole
        assert await day.names(after=after) == numbered(*reversed(range(seen, written)))
        seen, after = written, await day.newest()
    assert len(day.counts()) < 60


async def test_what_a_disk_does_not_take_is_not_there_and_the_tail_goes_on(day: Day) -> None:
    day.add(small=range(3))
    with closing(sqlite3.connect(files.path_of(day.folder, DAY))) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON blocks BEGIN SELECT RAISE(ABORT, 'disk'); END")
    with pytest.raises(sqlite3.Error):
        day.add(small=range(3, 6), whole=range(6, 200))
    assert await day.names() == numbered(2, 1, 0)
    with closing(sqlite3.connect(files.path_of(day.folder, DAY))) as connection:
        connection.execute("DROP TRIGGER full")
    day.add(small=range(10, 12))
    assert await day.names() == numbered(11, 10, 2, 1, 0)


async def test_after_a_restart_what_comes_is_newer_than_what_was_there(day: Day) -> None:
    day.add(small=range(3))
    after = await day.newest()
    with closing(DayBlocks(day.folder, DAY)) as again:
        again.add([], BlockMaker().rows([row(number) for number in range(3, 5)]))
    assert await day.names(after=after) == numbered(4, 3)


async def test_rows_of_an_older_version_go_first_when_a_day_is_too_much(day: Day) -> None:
    add_old_rows(day.folder, DAY, [row(number) for number in range(100)])
    day.add(small=range(100, 110))
    day.blocks.shorten()
    assert await day.names() == numbered(*reversed(range(50, 110)))
    page = await day.reader.page({}, NOON, NOON + timedelta(seconds=1), limit=1000, cursor=None)
    assert len(page.items) == 60


PEOPLE = ["10.0.0.1", "10.0.0.2", None]


def octets_of(folder: Path) -> bytes:
    """All that the files hold."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_person_is_taken_out_of_blocks_rows_and_the_file_and_all_others_stay(day: Day) -> None:
    def secret(number: int) -> str:
        return f"{'secret' if number % 3 == 1 else 'open'}-{number:04}.example"

    rows = [row(number, PEOPLE[number % 3], secret(number)) for number in range(900)]
    add_old_rows(day.folder, DAY, rows[:300])
    add_rows(day.folder, DAY, rows[300:600])
    one = [row(number, "10.0.0.2", f"secret-{number}.example") for number in range(2000, 2200)]
    add_rows(day.folder, DAY, one)
    assert b"secret-0001" in octets_of(day.folder)
    with closing(DayBlocks(day.folder, DAY)) as blocks:
        blocks.add([], BlockMaker().rows(rows[600:850]))
        after = await day.newest()
        assert blocks.take_out(lambda client: client.address == "10.0.0.2") == 100 + 100 + 200 + 83
        blocks.add([], BlockMaker().rows(rows[850:]))
        assert await day.names(after=after) == [secret(number) for number in reversed(range(850, 900))]
    left = [secret(number) for number in reversed(range(900)) if number % 3 != 1 or number >= 850]
    assert await day.names() == left
    assert files.fold(day.folder, DAY)
    assert b"secret-0001" not in octets_of(day.folder)


@pytest.mark.parametrize("kind", [sqlite3.OperationalError, ValueError])
async def test_nobody_is_taken_out_where_it_fails_and_the_day_goes_on(day: Day, kind: type[Exception]) -> None:
    day.add(small=range(10), whole=range(10, 200))

    def fails(client: BlockClient) -> bool:
        raise kind("no")

    with pytest.raises(kind):
        day.blocks.take_out(fails)
    day.add(small=range(200, 203))
    assert len(await day.names()) == 203


@pytest.mark.parametrize("is_whole", [True, False])
async def test_after_shows_only_what_is_new_though_all_that_was_there_is_taken_out(day: Day, is_whole: bool) -> None:
    other = row(0, "10.0.0.2", "other.example")
    day.blocks.add([], BlockMaker().rows([other]))
    day.add(whole=range(150) if is_whole else range(0), small=range(0) if is_whole else range(150))
    after = await day.newest()
    assert day.blocks.take_out(lambda client: client.address == "10.0.0.1") == 150
    assert await day.names(after=after) == []
    assert await day.newest() == after
    with closing(DayBlocks(day.folder, DAY)) as again:
        again.add([], BlockMaker().rows([row(number) for number in range(3)]))
    assert await day.names(after=after) == numbered(2, 1, 0)
    assert await day.names() == [*numbered(2, 1, 0), "other.example"]


async def test_after_shows_only_what_is_new_behind_a_day_that_was_too_much(day: Day) -> None:
    day.add(whole=range(150))
    after = await day.newest()
    day.blocks.shorten()
    assert await day.names() == []
    day.add(small=range(150, 152))
    assert await day.names(after=after) == numbered(151, 150)


def test_tallies_are_the_same_of_blocks_as_of_rows_and_pass_over_what_is_damaged(tmp_path: Path) -> None:
    rows = [row(number, PEOPLE[number % 3], f"n{number % 7}.example") for number in range(800)]
    start = rows[250][0]
    found = []
    met: list[int] = []
    writers: list[Callable[..., None]] = [add_rows, add_old_rows]
    for add in writers:
        folder = tmp_path / add.__name__
        add(folder, DAY, rows)
        with closing(files.open_to_read(folder, DAY)) as connection:
            pairs: dict[tuple[str, str], int] = {}
            for client, name, count in pairs_of(connection, start, met.append):
                pairs[client, name] = pairs.get((client, name), 0) + count
            names: dict[tuple[str, str | None], int] = {}
            for name, count, service in names_of(connection, met.append):
                names[name, service] = names.get((name, service), 0) + count
            found.append((pairs, names))
    assert found[0] == found[1]
    assert len(found[0][0]) == 14
    with closing(sqlite3.connect(files.path_of(tmp_path / "add_rows", DAY))) as connection, connection:
        connection.execute("UPDATE blocks SET packed = x'00' WHERE id = (SELECT max(id) FROM blocks)")
    with closing(files.open_to_read(tmp_path / "add_rows", DAY)) as connection:
        assert met == []
        assert sum(count for _, count, _ in names_of(connection, met.append)) == 500
        assert sum(count for _, _, count in pairs_of(connection, start, met.append)) < 500
        (last,) = connection.execute("SELECT max(id) FROM blocks").fetchone()
    assert met == [last, last]


def test_looking_at_a_day_leaves_the_locks_of_who_writes_it(tmp_path: Path) -> None:
    folder = tmp_path / files.FOLDER
    with closing(files.open_to_write(folder, DAY)) as writing:
        writing.execute("INSERT INTO removed VALUES (1, 1)")  # now the write-ahead log has something
        shared = Path(f"{files.path_of(folder, DAY)}-shm").stat().st_ino
        before = _locks_of(shared)
        assert before
        assert files.fold(folder, DAY)
        files.open_to_write(folder, DAY).close()
        assert _locks_of(shared) == before


def _locks_of(inode: int) -> list[str]:
    """Locks of processes on a file, as the kernel tells them."""
    lines = Path("/proc/locks").read_text().splitlines()
    return sorted(line.partition(": ")[2] for line in lines if f":{inode} " in line)
