"""The audit trail elsewhere: as JSON lines, and to syslog in order, also over a server that is away for a while."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from admin_api.sinks.sink import SinkPauses
from admin_api.sinks.sinks import LogSinks
from admin_api.store import tokens
from admin_api.store.access import StoreAccess
from admin_api.store.store import Store
from resolver.config.load import load_config
from resolver.config.to_settings import control_settings
from tests.unit.doubles import Said, SteadyAccess


async def _token(store: Store, name: str) -> None:
    async with store.change("ana") as change:
        await tokens.create(change, name=name, owner="Ana", roles=("viewer",))


def _syslog(store: Store, folder: Path, url: str, log: Said) -> LogSinks:
    """The sink that audit.syslog means."""
    config = folder / "moatdns.yaml"
    config.write_text(f"audit: {{syslog: '{url}'}}")
    access, settings = SteadyAccess(store), control_settings(load_config(config))
    pauses = SinkPauses(look=0.02, first_retry=0.02, longest_retry=0.05)
    return LogSinks(settings, cast("StoreAccess", access), cast("Any", log), pauses=pauses)


def _rows(messages: list[bytes]) -> list[tuple[int, str]]:
    rows = [
        json.loads(message.partition(b" - audit - - ")[2] or message.partition(b" audit - ")[2]) for message in messages
    ]
    return [(row["id"], row["object"]) for row in rows]


@pytest.mark.slow
async def test_each_row_goes_to_syslog_once_and_in_order(tmp_path: Path) -> None:
    store = await Store.open(None, tmp_path, Said())
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    listening.settimeout(5)
    url = f"udp://127.0.0.1:{listening.getsockname()[1]}"
    await _token(store, "one")
    for name in ("two", "three"):  # a run that ends, and the next
        running = asyncio.ensure_future(_syslog(store, tmp_path, url, Said()).run())
        await _token(store, name)
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.wait([running])
    messages = [await asyncio.to_thread(listening.recv, 65535) for _ in range(3)]
    listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        listening.recv(65535)
    listening.close()
    assert [name for _, name in _rows(messages)] == ["tokens/one", "tokens/two", "tokens/three"]
    assert messages[0].startswith(b"<109>1 20")
    await store.close()


async def test_a_tcp_server_that_comes_late_gets_everything(tmp_path: Path) -> None:
    store, log = await Store.open(None, tmp_path, Said()), Said()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = asyncio.ensure_future(_syslog(store, tmp_path, f"tcp://127.0.0.1:{port}", log).run())
    await _token(store, "one")
    await asyncio.sleep(0.2)
    came = b""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        while data := await reader.read(65535):
            came += data
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", port)
    for _ in range(100):
        if b"tokens/one" in came:
            break
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.wait([running])
    length, _, message = came.partition(b" ")
    assert len(message) == int(length)  # framed by its length (RFC 6587 section 3.4.1)
    assert any("does not reach" in event for event, _ in log.lines)
    server.close()
    await store.close()
