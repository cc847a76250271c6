"""The audit trail's head, noted where whoever changes the store cannot: in the log, and in a file in state_dir.

A trail whose end was cut off still holds together; `moatdns audit verify` sees the cut by the heads noted here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

from admin_api.door import Door
from admin_api.store import audit
from admin_api.store.errors import StoreAway
from admin_api.store.files import private_file
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

HEAD_FILE = "audit.head"
_EVERY_SECONDS = 60.0


async def keep_head(door: Door, state_dir: Path, log: Log) -> None:
    """Note the head each minute, for ever."""
    while True:
        with contextlib.suppress(StoreAway):
            await note_head(door, state_dir, log)
        await asyncio.sleep(_EVERY_SECONDS)


async def note_head(door: Door, state_dir: Path, log: Log) -> None:
    """Note the head as it is. Raises StoreAway."""
    async with door.store.read() as connection:
        number, mac = await audit.head(connection)
    noted = read_head(state_dir)
    if noted is not None and (number < noted[0] or (number == noted[0] and mac != noted[1])):
        # Noting this head would hide the cut from whoever verifies the trail.
        log.error("the audit trail was cut off or replaced", rows=number, rows_before=noted[0], mac_before=noted[1])
        return
    log.info("audit head", row=number, mac=mac)
    try:
        await asyncio.to_thread(_write, state_dir, f"{number} {mac}\n")
    except OSError as error:
        log.error("the audit trail's head cannot be noted", file=str(state_dir / HEAD_FILE), why=error.strerror)


def _write(state_dir: Path, text: str) -> None:
    with private_file(state_dir, text.encode()) as temporary:
        temporary.replace(state_dir / HEAD_FILE)


def read_head(state_dir: Path) -> tuple[int, str] | None:
    """The head that was noted last; None where none was."""
    try:
        number, mac = (state_dir / HEAD_FILE).read_text(encoding="ascii").split()
        return int(number), mac
    except (OSError, ValueError):
        return None


def noted_heads(state_dir: Path, log_file: Path | None) -> list[tuple[int, str]]:
    """Every head that was noted: in the state directory, and in a log of the server's (JSON lines), where one is given.

    Raises MoatdnsError when the log cannot be read.
    """
    heads = [head] if (head := read_head(state_dir)) else []
    if log_file is None:
        return heads
    try:
        with log_file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if '"audit head"' in line:
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        event = json.loads(line[line.index("{") :])
                        heads.append((int(event["row"]), str(event["mac"])))
    except OSError as error:
        raise MoatdnsError(f"{log_file}: cannot be read: {error.strerror}") from error
    return heads
