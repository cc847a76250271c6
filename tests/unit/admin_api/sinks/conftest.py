"""A query log that is written to, and its sinks, with short pauses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from admin_api.query_log import files
from admin_api.query_log.day_blocks import DayBlocks
from admin_api.sinks.sink import LogSink, SinkPauses
from admin_api.sinks.sinks import LogSinks
from admin_api.store.access import StoreAccess
from resolver.config.settings import ControlSettings, LogSinkSettings
from resolver.telemetry.query_block_reading import read_header
from resolver.telemetry.query_block_rewriting import PackableRows
from tests.support.log_blocks import BlockMaker
from tests.unit.doubles import Said

SHORT = SinkPauses(look=0.01, first_retry=0.02, longest_retry=0.05, keep=0.0)
NOTHING = PackableRows([], [], [], [])
HOUR = 3600.0
OTHER = "10.0.0.8"


class WrittenLog:
    """A query log. Rows are numbered: number n asks for n<n>.example; each fifth is another client's."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.folder = state_dir / files.FOLDER
        self._maker = BlockMaker()

    def add(
        self, numbers: Sequence[int], *, at: float | None = None, verdict: str = "block", is_whole: bool = False
    ) -> None:
        """Write rows of one moment (Unix seconds; now unless given), as a block of their own, or as a part of one."""
        moment = time.time() if at is None else at
        rows = [self.row(number, moment, verdict) for number in numbers]
        with closing(DayBlocks(self.folder, files.day_of(moment))) as blocks:
            if is_whole:
                packed = self._maker.block(rows)
                blocks.add([(read_header(packed), packed)], NOTHING)
            else:
                blocks.add([], self._maker.rows(rows))

    def row(self, number: int, moment: float, verdict: str = "block") -> list[Any]:
        rest = ("a/b", "a/b", "b.example", None) if verdict == "block" else (None, None, None, None)
        client = "10.0.0.7" if number % 5 else OTHER
        return [moment, client, "default", f"n{number}.example", "A", "NOERROR", verdict, *rest, "udp", 1.5]


@dataclass
class Reply:
    """How a collector answers a batch, by the names in it."""

    status: Callable[[list[str]], int] = lambda _: 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: Callable[[list[str]], float] = lambda _: 0.0
    text: str = "it is"


class HttpCollector:
    """A collector by HTTP, which remembers what it took, and every request."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.names: list[str] = []
        self.requests: list[tuple[float, dict[str, str], list[dict[str, Any]]]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/logs"

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()  # unpacked, where it was compressed
        rows = [json.loads(line) for line in body.splitlines()]
        names = [_name_of(row) for row in rows]
        self.requests.append((time.monotonic(), dict(request.headers), rows))
        await asyncio.sleep(self.reply.seconds(names))
        status = self.reply.status(names)
        if status < 300:
            self.names += names
        return web.Response(status=status, headers=self.reply.headers, text=f"{status} {self.reply.text}")


def _name_of(row: dict[str, Any]) -> str:
    event = row.get("event") if "time" in row else row
    assert isinstance(event, dict)
    return str(event["dns"]["question"]["name"] if "dns" in event else event.get("name", "")).removesuffix(".example")


@contextlib.asynccontextmanager
async def collecting(collector: HttpCollector) -> AsyncIterator[HttpCollector]:
    application = web.Application(client_max_size=1 << 25)
    application.router.add_post("/logs", collector.take)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", collector.port, reuse_address=True)
    await site.start()
    collector.port = runner.addresses[0][1]
    try:
        yield collector
    finally:
        await runner.cleanup()


class SinksOfLog:
    """Makes sinks of a log, as a node does that starts."""

    def __init__(self, log: WrittenLog) -> None:
        self._log = log
        self.said = Said()

    @contextlib.asynccontextmanager
    async def running(
        self, to: str, *, access: object = None, what: tuple[str, ...] = ("queries",), **settings: Any
    ) -> AsyncIterator[LogSink]:
        one = LogSinkSettings(to, what=what, **settings)
        control = ControlSettings(str(self._log.state_dir), log_sinks=(one,))
        sinks = LogSinks(control, cast("StoreAccess", access), cast("Any", self.said), pauses=SHORT)
        task = asyncio.ensure_future(sinks.run())
        (sink,) = sinks.sinks
        await until(lambda: sink.has_begun)
        try:
            yield sink
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 (what is waited for is many things)
            await asyncio.sleep(0.01)


def numbered(numbers: Sequence[int]) -> list[str]:
    return [f"n{number}" for number in numbers]


@pytest.fixture
def log(tmp_path: Path) -> WrittenLog:
    return WrittenLog(tmp_path)


@pytest.fixture
def made(log: WrittenLog) -> SinksOfLog:
    return SinksOfLog(log)


@pytest.fixture
async def collector() -> AsyncIterator[HttpCollector]:
    async with collecting(HttpCollector()) as one:
        yield one
