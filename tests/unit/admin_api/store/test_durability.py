"""What a change acknowledged is there after the process was killed; what it did not, is there whole or not at all."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from admin_api.store import audit, documents, lists, rules, trail
from admin_api.store.store import Store
from tests.unit.admin_api.store.conftest import SilentLog

_WRITE = """
import asyncio, sys
from pathlib import Path
from admin_api.store import documents, lists, rules, trail
from admin_api.store.store import Store
from resolver.telemetry.log import make_log

async def main():
    store = await Store.open(None, Path(sys.argv[1]), make_log())
    async with store.change("writer") as change:
        row = await lists.create(change, name="house", kind="own")
    number = 0
    while True:
        number += 1
        async with store.change("writer") as change:
            await rules.add(change, row, block=[f"{number}-{each}.example" for each in range(10)])
            change.record("add", "lists/house", None, number)
            change.touches_policy()
        print(number, flush=True)

asyncio.run(main())
"""


def start_writer(state_dir: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITE, str(state_dir)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, log: SilentLog) -> None:
    for number in range(3):
        state_dir = tmp_path / f"state-{number}"
        process = start_writer(state_dir)
        assert process.stdout
        for _ in range(30):
            await asyncio.to_thread(process.stdout.readline)
        process.send_signal(signal.SIGKILL)
        rest = await asyncio.to_thread(process.stdout.read)
        process.stdout.close()
        process.wait()
        acknowledged = 30 + len(rest.splitlines())
        store = await Store.open(None, state_dir, log)
        async with store.read() as conn:
            row = await lists.get(conn, "house")
            kept = [pair async for batch in rules.stream(conn, row.id) for pair in batch]
            # One more may have been committed whose acknowledgement the kill cut off.
            assert row.rules == len(kept) in {acknowledged * 10, acknowledged * 10 + 10}
            assert (await audit.head(conn))[0] * 10 == len(kept)
            assert (await trail.look_through(conn, store.audit_key)).findings == []
        async with store.change("after") as change:
            await documents.put(change.connection, "still", {"works": True})
        await store.close()
