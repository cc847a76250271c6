"""Erasing a client from the query log over HTTP: told in the trail without its name, journalled, and taken up again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from admin_api.query_log import files
from admin_api.query_log.erased import EVENT, ErasureNote, digest_of, read_erasures, write_erasures
from admin_api.query_log.writer import QueryLogWriter
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import make_log
from tests.support.log_blocks import add_rows

from .conftest import Served, expect_problem

NOW = time.time()
GONE = "10.0.0.2"


def fill(state_dir: Path) -> Path:
    """A query log of today, of two clients; gives its folder."""
    rows = [
        [NOW, client, "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0.0]
        for client, name in ((GONE, "secret.example"), ("10.0.0.1", "open.example"), (GONE, "secret.example"))
    ]
    add_rows(state_dir / files.FOLDER, files.day_of(NOW), rows)
    return state_dir / files.FOLDER


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


async def erase(served: Served, body: Any, role: str = "admin") -> tuple[int, Any]:
    async with served.call("POST", "queries:erase", body, role=role) as response:
        await expect_problem(response)
        return response.status, await response.json()


async def test_a_client_is_erased_and_neither_the_trail_nor_the_journal_name_it(served: Served) -> None:
    folder = fill(served.store_folder)
    digest = digest_of(served.store.audit_key, GONE)
    async with written(served):
        assert (await erase(served, {"client": GONE, "reason": "asked for"}, role="operator"))[0] == 403
        for body in ({"client": "nobody", "reason": "x"}, {"client": GONE, "reason": " "}, {"client": GONE}):
            assert (await erase(served, body))[0] == 422
        told = await erase(served, {"client": f"::ffff:{GONE}", "reason": "asked for"})
        assert told == (200, {"erased": digest, "queries": 2, "is_over": True})
        assert (await erase(served, {"client": "10.0.0.0/24", "reason": "again"}))[1]["queries"] == 0
    assert not [path for path in folder.iterdir() if b"secret" in path.read_bytes()]
    row = (await served.get("audit?action=erase&limit=2"))["items"][1]
    assert (row["object"], row["after"]) == ("queries", {"erased": digest, "reason": "asked for"})
    assert GONE not in json.dumps(row)
    first = read_erasures(served.store_folder)[0]
    assert (first.digest, bool(first.done)) == (digest, True)
    assert next(facts["erased"] for event, facts in served.log.lines if event == EVENT) == digest


async def test_an_erasure_that_a_killed_process_left_is_done_at_the_next_start(served: Served) -> None:
    folder = fill(served.store_folder)
    digest = digest_of(served.store.audit_key, GONE)
    write_erasures(served.store_folder, [ErasureNote(digest, "2026-11-27T03:00:00Z")])
    async with written(served):
        for _ in range(500):
            if read_erasures(served.store_folder)[0].done:
                break
            await asyncio.sleep(0.01)
    (done,) = read_erasures(served.store_folder)
    assert done.done
    assert not [path for path in folder.iterdir() if b"secret" in path.read_bytes()]


async def test_what_the_journal_has_no_room_for_is_forgotten_counted_and_logged(served: Served) -> None:
    fill(served.store_folder)
    served.context.erasures._most = 2
    async with written(served):
        for number in range(4):
            assert (await erase(served, {"client": f"10.0.9.{number}", "reason": "asked for"}))[0] == 200
    key = served.store.audit_key
    assert [note.digest for note in read_erasures(served.store_folder)] == [
        digest_of(key, f"10.0.9.{number}") for number in (2, 3)
    ]
    assert served.context.erasures.forgotten == 2
    assert [facts["forgotten"] for event, facts in served.log.lines if event.startswith("the journal of")] == [1, 1]


async def test_where_no_query_log_is_kept_none_is_erased_from(served: Served) -> None:
    status, body = await erase(served, {"client": GONE, "reason": "asked for"})
    assert (status, "query_log.enabled" in body["detail"]) == (404, True)
