"""The audit trail elsewhere: as JSON lines, and to syslog in order, also over a server that is away for a while."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from admin_api.audit import syslog as audit_syslog
from admin_api.audit.syslog import AuditSyslog
from admin_api.store import tokens
from admin_api.store.store import Store
from tests.unit.doubles import Said, SteadyAccess


async def _token(store: Store, name: str) -> None:
    async with store.change("ana") as change:
        await tokens.create(change, name=name, owner="Ana", role="viewer")


def _rows(messages: list[bytes]) -> list[tuple[int, str]]:
    rows = [
        json.loads(message.partition(b" - audit - - ")[2] or message.partition(b" audit - ")[2]) for message in messages
    ]
    return [(row["id"], row["object"]) for row in rows]


@pytest.mark.slow
async def test_each_row_goes_to_syslog_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_syslog, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(audit_syslog, "_RETRY_SECONDS", 0.02)
    store = await Store.open(None, tmp_path, Said())
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    listening.settimeout(5)
    url = f"udp://127.0.0.1:{listening.getsockname()[1]}"
    await _token(store, "one")
    for name in ("two", "three"):  # a run that ends, and the next
        running = asyncio.ensure_future(AuditSyslog(SteadyAccess(store), url, Said()).run())
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


async def test_a_tcp_server_that_comes_late_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_syslog, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(audit_syslog, "_RETRY_SECONDS", 0.05)
    store, log = await Store.open(None, tmp_path, Said()), Said()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = asyncio.ensure_future(AuditSyslog(SteadyAccess(store), f"tcp://127.0.0.1:{port}", log).run())
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
