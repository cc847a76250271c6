"""Erasing of a client from the query log: from every file, down to the octets, whoever reads meanwhile."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from admin_api.query_log import files, set_aside
from admin_api.query_log.day_blocks import DayBlocks
from admin_api.query_log.erasing import ErasureUnfinished, QueryLogEnded
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.writer import QueryLogWriter
from resolver.config.settings import ControlSettings, Retention
from resolver.telemetry.log import make_log
from resolver.telemetry.query_block_lines import BlockClient
from tests.support.log_blocks import BlockMaker, add_rows
from tests.support.old_query_log import add_old_rows

NOW = time.time()
TODAY = files.day_of(NOW)
SECRET = b"secret-7.example"


def event(number: int, client: str, *, back: int = 0) -> list[Any]:
    """A row, so many days back; the other client's names are secrets, and in old rows legible in the file."""
    name = f"{'secret' if client == '10.0.0.2' else 'open'}-{number}.example"
    return [NOW - back * 86_400, client, "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0.0]


def is_theirs(client: BlockClient) -> bool:
    return client.address == "10.0.0.2"


class Erased:
    """A log whose day of two days ago has the secrets of one client, and those of others, in rows of an old version."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / files.FOLDER
        self.day = files.day_of(NOW - 2 * 86_400)
        self.ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._state_dir = state_dir
        add_old_rows(self.folder, self.day, [event(n, f"10.0.0.{1 + n % 2}", back=2) for n in range(20)])

    def started(self, *, patience_seconds: float = 30.0, **settings: Any) -> QueryLogWriter:
        """A writer of the log."""
        configured = ControlSettings(str(self._state_dir), **settings)
        writer = QueryLogWriter(self._theirs, configured, make_log(), erase_patience_seconds=patience_seconds)
        writer.start()
        return writer

    @property
    def is_legible(self) -> bool:
        """Whether a secret is anywhere in the files."""
        return any(SECRET in path.read_bytes() for path in self.folder.iterdir())

    async def names(self) -> set[str]:
        """All that a search finds."""
        page = await QueryLogReader(self._state_dir, budget_seconds=60.0).page({}, None, None, limit=1000, cursor=None)
        return {item["name"] for item in page.items}

    async def until(self, is_so: Callable[[set[str]], bool]) -> None:
        """Wait until a search finds what is wanted."""
        for _ in range(3_000):
            if is_so(await self.names()):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(await self.names())

    def reading(self) -> sqlite3.Connection:
        """A reader that goes on with what was there at its beginning."""
        connection = files.open_to_read(self.folder, self.day)
        connection.execute("BEGIN")
        assert connection.execute("SELECT count(*) FROM queries").fetchone() == (20,)
        return connection

    def close(self) -> None:
        """Close the sockets."""
        self.ours.close()
        self._theirs.close()


@pytest.fixture
def erased(tmp_path: Path) -> Iterator[Erased]:
    made = Erased(tmp_path)
    yield made
    made.close()


OTHERS = {f"open-{number}.example" for number in range(0, 20, 2)}


async def test_an_erasure_ends_when_a_reader_no_longer_keeps_the_octets(erased: Erased) -> None:
    writer = erased.started()
    with closing(erased.reading()):
        taking = asyncio.create_task(writer.take_out(is_theirs))
        await erased.until(lambda names: names == OTHERS)
        assert erased.is_legible
        assert not taking.done()
    assert await taking == 10
    assert not erased.is_legible
    await writer.close()


async def test_an_erasure_that_a_reader_holds_up_for_too_long_says_so_and_the_next_start_ends_it(
    erased: Erased,
) -> None:
    writer = erased.started(patience_seconds=0.0)
    with closing(erased.reading()):
        with pytest.raises(ErasureUnfinished, match=erased.day):
            await writer.take_out(is_theirs)
        await writer.close()
    assert erased.is_legible
    again = erased.started()
    await again.take_out(lambda client: False)
    await again.close()
    assert not erased.is_legible
    assert await erased.names() == OTHERS


async def test_a_write_ahead_log_that_a_killed_process_left_is_emptied(erased: Erased) -> None:
    with closing(erased.reading()), closing(DayBlocks(erased.folder, erased.day)) as blocks:
        blocks.take_out(is_theirs)
    assert erased.is_legible
    writer = erased.started()
    await writer.close()
    assert not erased.is_legible


async def test_files_that_were_set_aside_or_cannot_be_read_go_with_the_person_and_other_days_stay(
    erased: Erased,
) -> None:
    (erased.folder / "2026-01-01.damaged").write_bytes(SECRET)
    (erased.folder / "2026-01-01.damaged-wal").write_bytes(SECRET)
    broken = files.path_of(erased.folder, files.day_of(NOW - 86_400))
    broken.write_bytes(b"no database, but " + SECRET * 100)
    writer = erased.started(retention=Retention(query_log_days=10_000))
    assert await writer.take_out(is_theirs) == 10
    await writer.close()
    assert not erased.is_legible
    assert not list(erased.folder.glob("*.damaged*"))
    assert not broken.exists()
    assert await erased.names() == OTHERS


async def test_a_damaged_day_that_cannot_be_closed_is_removed_and_the_log_goes_on(
    erased: Erased, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    writer = erased.started()
    with monkeypatch.context() as damaged:
        damaged.setattr(DayBlocks, "take_out", fails)
        damaged.setattr(DayBlocks, "close", fails)
        assert await writer.take_out(is_theirs) == 0
    assert not files.path_of(erased.folder, erased.day).exists()
    assert await writer.take_out(is_theirs) == 0
    await writer.close()


async def test_a_day_that_fails_does_not_keep_the_others_from_being_erased(erased: Erased) -> None:
    with closing(DayBlocks(erased.folder, erased.day)):
        pass
    with closing(sqlite3.connect(files.path_of(erased.folder, erased.day))) as connection:
        connection.execute("CREATE TRIGGER full BEFORE DELETE ON queries BEGIN SELECT RAISE(ABORT, 'disk'); END")
    for back in (1, 3):
        add_rows(erased.folder, files.day_of(NOW - back * 86_400), [event(100 + back, "10.0.0.2", back=back)])
    writer = erased.started()
    with pytest.raises(sqlite3.Error, match="disk"):
        await writer.take_out(is_theirs)
    await writer.close()
    assert not await erased.names() & {"secret-101.example", "secret-103.example"}


async def test_whoever_asks_after_the_end_is_told_and_who_asked_before_it_is_answered(erased: Erased) -> None:
    writer = erased.started()
    taking = asyncio.create_task(writer.take_out(is_theirs))
    await asyncio.sleep(0)
    await writer.close()
    assert await taking == 10
    with pytest.raises(QueryLogEnded):
        await writer.take_out(is_theirs)


async def test_the_log_goes_on_while_a_reader_holds_an_erasure_up(erased: Erased) -> None:
    writer = erased.started()
    with closing(erased.reading()):
        taking = asyncio.create_task(writer.take_out(is_theirs))
        erased.ours.send(BlockMaker().block([event(100, "10.0.0.1")]))
        await erased.until(lambda names: "open-100.example" in names)
        assert not taking.done()
    assert await taking == 10
    await writer.close()


async def test_a_file_that_was_set_aside_is_kept_no_longer_than_days_are(erased: Erased) -> None:
    for day in (TODAY, "2020-01-01"):
        (erased.folder / f"{day}.damaged").write_bytes(b"x")
    writer = erased.started()
    await writer.close()
    assert set_aside.days_aside(erased.folder) == [TODAY]


def test_a_day_is_set_aside_with_its_write_ahead_log_which_would_be_played_into_the_new_file(tmp_path: Path) -> None:
    path = files.path_of(tmp_path, TODAY)
    path.write_bytes(b"damaged")
    beside = Path(f"{path}-wal")
    beside.write_bytes(b"pages")
    set_aside.set_aside(tmp_path, TODAY)
    assert set_aside.size_aside(tmp_path, TODAY) == len(b"damagedpages")
    path.write_bytes(b"again")
    set_aside.set_aside(tmp_path, TODAY)
    assert set_aside.size_aside(tmp_path, TODAY) == len(b"again")
    assert not beside.exists()
    set_aside.remove_aside(tmp_path, TODAY)
    assert not list(tmp_path.iterdir())
