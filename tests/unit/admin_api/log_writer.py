"""A query log that is written and erased from, beside a served API."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.writer import QueryLogWriter
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import make_log

from .conftest import Served, expect_problem


@contextlib.asynccontextmanager
async def written(served: Served) -> AsyncIterator[None]:
    """A writer of the query log, from which can be erased."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with ours, theirs:
        writer = QueryLogWriter(theirs, ControlSettings(str(served.store_folder)), make_log())
        writer.start()
        served.context.erasures.start(writer)
        yield
        await writer.close()
        await served.context.erasures.close()


async def posted(served: Served, path: str, body: Any, role: str = "admin") -> tuple[int, Any]:
    """Status and body of the answer to a POST, a problem document where it does not succeed."""
    async with served.call("POST", path, body, role=role) as response:
        await expect_problem(response)
        return response.status, await response.json()


async def names_left(served: Served) -> set[str]:
    """Names of queries that are still in the log."""
    page = await QueryLogReader(served.store_folder, budget_seconds=60.0).page({}, None, None, limit=100, cursor=None)
    return {item["name"] for item in page.items}
