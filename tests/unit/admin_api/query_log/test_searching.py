"""A search of the query log ends in time, says where it goes on, and finds each row once, whatever happens."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import struct
import tempfile
from collections.abc import Iterable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.query_log import cursors, files
from admin_api.query_log.cursors import BadAfter, BadCursor
from admin_api.query_log.reader import LogPage, QueryLogReader
from admin_api.query_log.row_search import SPAN_BITS
from tests.support.log_blocks import add_rows
from tests.support.old_query_log import add_old_rows
from tests.unit.fair_time import FairTime

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def row(at: datetime, name: str, client: str = "10.0.0.1") -> list[Any]:
    return [at.timestamp(), client, "default", name, "A", "NOERROR", "allow", None, None, None, None, "udp", 0.0]


class Written:
    """A query log that rows are put into without a writer, and a reader whose time is over at once.

    It is of blocks, or `is_old`, as versions before them wrote it. `piece` is how many rows are passed over at once.
    """

    def __init__(self, state_dir: Path, *, is_old: bool = False) -> None:
        self._add = add_old_rows if is_old else add_rows
        self.piece = 1 << SPAN_BITS if is_old else 500
        self.folder = state_dir / files.FOLDER
        self.hurried = QueryLogReader(state_dir, budget_seconds=0.0)
        self.reader = QueryLogReader(state_dir, budget_seconds=60.0)

    def add(self, rows: Iterable[list[Any]], *, day: datetime | None = None) -> None:
        by_day: dict[str, list[list[Any]]] = {}
        for each in rows:
            moment = day or datetime.fromtimestamp(each[0], UTC)
            by_day.setdefault(moment.strftime("%Y-%m-%d"), []).append(each)
        for name, some in by_day.items():
            self._add(self.folder, name, some)

    def bulk(self, day: datetime, count: int, name: str = "bulk.example") -> None:
        """So many rows, a hundredth of a second apart from `day` on."""
        self.add(row(day + timedelta(seconds=number / 100), name) for number in range(count))

    async def walk(
        self, reader: QueryLogReader, first: LogPage | None = None, **filters: str
    ) -> tuple[list[str], list[LogPage]]:
        """From page to page to the end: the names, and the pages."""
        page = first or await reader.page(filters, None, None, limit=100, cursor=None)
        pages = [page]
        while page.next is not None:
            page = await reader.page(filters, None, None, limit=100, cursor=page.next)
            pages.append(page)
        return names(*pages), pages


def names(*pages: LogPage) -> list[str]:
    return [item["name"] for page in pages for item in page.items]


@pytest.fixture(params=["blocks", "rows of an older version"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    return Written(tmp_path, is_old=request.param != "blocks")


@pytest.fixture
def old(tmp_path: Path) -> Written:
    return Written(tmp_path, is_old=True)


@pytest.fixture
def blocks(tmp_path: Path) -> Written:
    return Written(tmp_path)


async def test_a_search_whose_time_is_over_says_how_far_it_came_and_goes_on_from_there(written: Written) -> None:
    for back in range(3):
        written.bulk(NOON - back * DAY, 4000)
        written.add([row(NOON - back * DAY + timedelta(minutes=5), f"rare{back}.example", "10.9.9.9")])
    found, pages = await written.walk(written.hurried, client="10.9.9.9")
    assert found == ["rare0.example", "rare1.example", "rare2.example"]
    assert len(pages) >= 12
    empty = [page for page in pages if not page.items and page.next is not None]
    assert empty
    reached = [page.searched_to for page in pages[:-1] if page.searched_to is not None]
    assert reached == sorted(reached, reverse=True)
    assert NOON - 2 * DAY <= reached[-1] < reached[0] < NOON + timedelta(minutes=5)
    assert (pages[-1].next, pages[-1].searched_to) == (None, None)


@pytest.mark.slow
async def test_one_page_has_it_all_where_there_is_time(written: Written) -> None:
    for back in range(3):
        written.bulk(NOON - back * DAY, 40_000)
        written.add([row(NOON - back * DAY + timedelta(hours=1), f"rare{back}.example", "10.9.9.9")])
    page = await written.reader.page({"client": "10.9.9.9"}, None, None, limit=100, cursor=None)
    assert names(page) == ["rare0.example", "rare1.example", "rare2.example"]
    assert page.next is None


@pytest.mark.slow
async def test_paging_gives_each_row_once_while_rows_are_added_and_days_removed(written: Written) -> None:
    chance = random.Random(7)
    for back in (3, 2, 1, 0):
        day = NOON - back * DAY
        written.add(row(day + timedelta(seconds=number), f"d{back}n{number}.example") for number in range(700))
    page = await written.hurried.page({}, None, None, limit=90, cursor=None)
    seen = names(page)
    removed = False
    while page.next is not None:
        written.add(row(NOON + timedelta(hours=1, seconds=number), "later.example") for number in range(5))
        written.add([row(NOON + timedelta(hours=12), "tomorrow.example")])
        if not removed and len(seen) > 1000:
            files.remove(written.folder, (NOON - 3 * DAY).strftime("%Y-%m-%d"))
            removed = True
        page = await written.hurried.page({}, None, None, limit=chance.randrange(1, 200), cursor=page.next)
        seen += names(page)
    assert removed
    assert seen == [f"d{back}n{number}.example" for back in (0, 1, 2) for number in reversed(range(700))]


async def test_polling_gives_what_was_written_since_and_nothing_twice(written: Written) -> None:
    written.bulk(NOON, 500)
    page = await written.reader.page({}, None, None, limit=10, cursor=None)
    assert len(page.items) == 10
    seen: list[str] = []
    for number in range(5):
        assert page.newest is not None
        written.add([row(NOON + timedelta(hours=1, seconds=number), f"new{number}.example")])
        page = await written.reader.page({}, None, None, limit=10, cursor=None, after=page.newest)
        seen += names(page)
        assert page.next is None
    assert seen == [f"new{number}.example" for number in range(5)]
    page = await written.reader.page({}, None, None, limit=10, cursor=None, after=page.newest)
    assert not page.items


async def test_polling_over_midnight_gives_what_was_written_late(written: Written) -> None:
    midnight = NOON + timedelta(hours=12)
    second = timedelta(seconds=1)
    written.add([row(midnight - 5 * second, "before.example")])
    page = await written.reader.page({}, None, None, limit=10, cursor=None)
    written.add([row(midnight + second, "first.example")])
    page = await written.reader.page({}, None, None, limit=10, cursor=None, after=page.newest)
    assert names(page) == ["first.example"]
    written.add([row(midnight - second, "late.example"), row(midnight + 2 * second, "second.example")])
    page = await written.reader.page({}, None, None, limit=10, cursor=None, after=page.newest)
    assert names(page) == ["second.example", "late.example"]


async def test_more_than_a_page_since_goes_on_by_cursor_and_ends_where_the_poll_before_was(written: Written) -> None:
    written.bulk(NOON, 50, "old.example")
    before = await written.reader.page({}, None, None, limit=10, cursor=None)
    written.add(row(NOON + timedelta(hours=1, seconds=number), f"new{number}.example") for number in range(25))
    page = await written.reader.page({}, None, None, limit=10, cursor=None, after=before.newest)
    seen = names(page)
    while page.next is not None:
        page = await written.reader.page({}, None, None, limit=10, cursor=page.next, after=before.newest)
        seen += names(page)
    assert seen == [f"new{number}.example" for number in reversed(range(25))]


async def test_polling_an_empty_log_gives_its_first_rows(written: Written) -> None:
    page = await written.reader.page({}, None, None, limit=10, cursor=None)
    assert (list(page.items), page.next) == ([], None)
    assert page.newest is not None
    written.add([row(NOON, "first.example")])
    page = await written.reader.page({}, None, None, limit=10, cursor=None, after=page.newest)
    assert names(page) == ["first.example"]


async def test_polling_goes_on_in_the_file_that_takes_the_place_of_a_damaged_one(written: Written) -> None:
    written.bulk(NOON, 50)
    page = await written.reader.page({}, None, None, limit=10, cursor=None)
    files.remove(written.folder, NOON.strftime("%Y-%m-%d"))
    written.add([row(NOON + timedelta(hours=1), "again.example")])
    page = await written.reader.page({}, None, None, limit=10, cursor=None, after=page.newest)
    assert names(page) == ["again.example"]


@pytest.mark.slow
async def test_a_time_window_has_rows_that_were_written_out_of_order(written: Written) -> None:
    """By a clock that was set back, or a worker that nobody listened to for long."""
    hours = [timedelta(hours=number) for number in range(6)]
    for after in hours:
        written.bulk(NOON + after, written.piece)
    written.add([row(NOON + hours[1] + timedelta(minutes=30), "late.example")], day=NOON)
    start, end = NOON + hours[1] + timedelta(minutes=20), NOON + hours[1] + timedelta(minutes=40)
    page = await written.reader.page({}, start, end, limit=10, cursor=None)
    assert (names(page), page.next) == (["late.example"], None)


@pytest.mark.slow
async def test_a_time_window_far_back_is_found_without_looking_at_what_is_beside_it(written: Written) -> None:
    for hour in range(6):
        written.bulk(NOON + timedelta(hours=hour), written.piece)
    start = NOON + timedelta(hours=2, seconds=3)
    page = await written.hurried.page({}, start, start + timedelta(seconds=0.055), limit=10, cursor=None)
    pages = 1
    seen = len(page.items)
    while page.next is not None:
        page = await written.hurried.page({}, start, start + timedelta(seconds=0.055), limit=10, cursor=page.next)
        seen += len(page.items)
        pages += 1
    assert seen == 6
    assert pages <= 2 + written.piece // 1000  # of six pieces, one was looked through, a thousand rows a page


async def test_the_files_of_a_version_without_spans_or_remarks_are_read(old: Written) -> None:
    old.bulk(NOON, 1000)
    with closing(sqlite3.connect(files.path_of(old.folder, NOON.strftime("%Y-%m-%d")))) as connection:
        connection.execute("DROP TABLE spans")
        connection.execute("ALTER TABLE queries DROP COLUMN remark")
    start = NOON + timedelta(seconds=2)
    page = await old.reader.page({}, start, start + timedelta(seconds=0.015), limit=10, cursor=None)
    assert len(page.items) == 2
    assert "remark" not in page.items[0]


async def test_a_day_that_an_older_version_began_is_read_on_through_its_rows_and_polled(old: Written) -> None:
    old.bulk(NOON, 150, "old.example")
    before = await old.reader.page({}, None, None, limit=10, cursor=None)
    new = Written(old.folder.parent)
    new.bulk(NOON + timedelta(hours=1), 150, "new.example")
    for reader in (new.reader, new.hurried):
        found, _ = await new.walk(reader)
        assert found == ["new.example"] * 150 + ["old.example"] * 150
    page = await new.reader.page({}, None, None, limit=1000, cursor=None, after=before.newest)
    assert names(page) == ["new.example"] * 150
    old.bulk(NOON + timedelta(hours=2), 2, "older version again.example")
    assert len((await new.walk(new.hurried))[0]) == 302
    page = await new.reader.page({}, NOON + timedelta(hours=2), None, limit=10, cursor=None)
    assert names(page) == ["older version again.example"] * 2


async def test_a_cursor_of_an_older_version_goes_on_in_its_days(old: Written) -> None:
    old.add(row(NOON + timedelta(seconds=number), f"n{number}.example") for number in range(30))
    cursor = cursors.text_of(("2026-05-10", 11))
    page = await old.reader.page({}, None, None, limit=100, cursor=cursor)
    assert names(page) == [f"n{number}.example" for number in reversed(range(10))]


@given(
    st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=12), min_size=1, max_size=8),
    st.integers(1, 7),
    st.booleans(),
)
def test_blocks_that_overlap_in_any_way_give_each_row_once_and_the_newest_first(
    many: list[list[int]], limit: int, is_hurried: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Written(Path(folder))
        for number, moments in enumerate(many):
            some = [row(NOON + timedelta(seconds=at), f"{number}-{place}") for place, at in enumerate(moments)]
            add_rows(log.folder, "2026-05-10", some)
        reader = log.hurried if is_hurried else log.reader

        async def walk() -> list[Any]:
            found: list[Any] = []
            cursor = None
            while True:
                page = await reader.page({}, None, None, limit=limit, cursor=cursor)
                found += [(item["at"], item["name"]) for item in page.items]
                cursor = page.next
                if cursor is None:
                    return found

        found = asyncio.run(walk())
    assert [at for at, _ in found] == sorted((at for at, _ in found), reverse=True)
    wanted = {f"{number}-{place}" for number, moments in enumerate(many) for place in range(len(moments))}
    assert sorted(name for _, name in found) == sorted(wanted)


async def test_what_matches_is_the_same_in_blocks_as_in_rows(tmp_path: Path) -> None:
    chance = random.Random(3)
    clients = ["10.0.0.1", "10.0.0.11", "10.0.0.0/24", None]
    domains = ["a.example", "b.a.example", "aa.example", "per%cent.example", r"\\010.example"]
    rows: list[list[Any]] = []
    for number in range(600):
        verdict, service = chance.choice([("block", "a/b"), ("allow", None), ("exempt", "a/bc"), ("block", "c/d")])
        group = chance.choice(["default", "guests", "default, too"])
        some: list[Any] = [group, chance.choice(domains), "A", "NOERROR", verdict, service, service, None, None, "udp"]
        milliseconds = chance.choice([0.0, 0.0123, 1.5, 999.0])
        rows.append([(NOON + timedelta(seconds=number)).timestamp(), chance.choice(clients), *some, milliseconds])
    pair = [Written(tmp_path / str(is_old), is_old=is_old) for is_old in (False, True)]
    for log in pair:
        log.add(rows)
    asked: list[dict[str, str]] = [{}]
    for field, values in (
        ("client", ["10.0.0.1", "10.0.0.0/24", "10.0.0", ""]),
        ("group", ["default", "none"]),
        ("verdict", ["block", "allow"]),
        ("service", ["a/b", "c/d"]),
        ("name", ["A.Example.", "example", "%", "", r"\\010.example"]),
        ("contains", ["A.EX", "%", "\\", "ü", '"']),
    ):
        asked += [{**one, field: value} for one in asked for value in values]
    for filters in chance.sample(asked, 150):
        start, end = NOON + timedelta(seconds=100.0004), NOON + timedelta(seconds=500)
        pages = [await log.reader.page(filters, start, end, limit=1000, cursor=None) for log in pair]
        assert pages[0].items == pages[1].items, filters


async def test_a_damaged_block_is_passed_over_and_counted_once_and_all_others_are_found(blocks: Written) -> None:
    for hour in range(4):
        blocks.bulk(NOON + timedelta(hours=hour), 200, f"n{hour}.example")
    path = files.path_of(blocks.folder, NOON.strftime("%Y-%m-%d"))
    with closing(sqlite3.connect(path)) as connection, connection:
        first = "SELECT id, packed FROM blocks ORDER BY id LIMIT 2"
        (one, packed), (other, later) = connection.execute(first).fetchall()
        damaged = [(packed[:-2], one), (later[:3] + struct.pack("<B", 9) + later[4:], other)]
        connection.executemany("UPDATE blocks SET packed = ? WHERE id = ?", damaged)
    for _ in range(2):
        found, _ = await blocks.walk(blocks.reader)
        assert found == ["n3.example"] * 200 + ["n2.example"] * 200
        assert blocks.reader.unreadable.count == 2
        found, _ = await blocks.walk(blocks.hurried)
        assert len(found) == 400


async def test_names_are_found_by_a_part_of_them(written: Written) -> None:
    written.add(row(NOON, name) for name in ("www.claude.ai", "claudette.example", "open.example", "per%cent.example"))
    assert set((await written.walk(written.reader, contains="CLAUDE"))[0]) == {"www.claude.ai", "claudette.example"}
    assert (await written.walk(written.reader, contains="%"))[0] == ["per%cent.example"]


async def test_a_file_that_is_locked_for_long_costs_a_page_its_time_and_no_row(written: Written) -> None:
    written.bulk(NOON, 20)
    path = files.path_of(written.folder, NOON.strftime("%Y-%m-%d"))
    with closing(sqlite3.connect(path, isolation_level=None)) as locking:
        locking.execute("PRAGMA journal_mode=DELETE")
        locking.execute("BEGIN EXCLUSIVE")
        page = await written.reader.page({}, None, None, limit=10, cursor=None)
        assert not page.items
        assert page.next is not None
    assert len((await written.walk(written.reader, page))[0]) == 20


@pytest.mark.slow
async def test_many_readers_at_once_are_all_answered_in_time(written: Written) -> None:
    written.bulk(NOON, 30_000)
    reader = QueryLogReader(written.folder.parent, budget_seconds=0.05)
    async with FairTime() as took:
        pages = await asyncio.gather(
            *(reader.page({"client": "nobody"}, None, None, limit=10, cursor=None) for _ in range(100))
        )
    assert took.seconds < 5.0
    assert not any(page.items for page in pages)


@pytest.mark.slow
async def test_a_caller_that_goes_away_ends_its_search(written: Written) -> None:
    written.bulk(NOON, 30_000)
    tasks = [
        asyncio.create_task(written.reader.page({"client": "x"}, None, None, limit=10, cursor=None)) for _ in range(20)
    ]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    page = await written.reader.page({}, None, None, limit=10, cursor=None)
    assert len(page.items) == 10


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_of_ours_or_refused(text: str) -> None:
    with suppress(BadCursor):
        assert cursors.place_of(text).below >= 0
    with suppress(BadAfter):
        assert cursors.marks_of(text) is not None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_a_cursor_of_ours_or_refused(value: Any) -> None:
    text = cursors.text_of(value)
    with suppress(BadCursor):
        assert cursors.text_of(cursors.place_of(text)) == text
    with suppress(BadAfter):
        assert cursors.marks_of(text) == value


IDS = st.integers(0, cursors.MOST_ID)


@given(st.text(max_size=10), IDS, IDS, IDS, st.dictionaries(st.text(max_size=10), st.integers(0, 9)))
def test_cursors_are_read_as_they_were_made(day: str, below: int, at: int, last: int, marks: dict[str, int]) -> None:
    for place in (cursors.SearchPlace(day, below), cursors.SearchPlace(day, below, at, last)):
        assert cursors.place_of(cursors.text_of(place)) == place
    assert cursors.marks_of(cursors.text_of(marks)) == marks
