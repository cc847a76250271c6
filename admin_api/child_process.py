"""Work that is done in a process of its own: one order as JSON on its stdin, one outcome on its stdout."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from resolver.errors import MoatdnsError


async def in_child(module: str, order: dict[str, Any], error: type[MoatdnsError], what: str) -> dict[str, Any]:
    """Run ``python -m MODULE`` and give its outcome. Raises `error`; `what` names the child there."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # never code of the folder that we happen to be started in
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as why:  # no process, no file descriptor left
        raise error(f"{what} cannot be started: {why.strerror or why}") from why
    try:
        said, _ = await process.communicate(json.dumps(order).encode() + b"\n")
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if not said:
        raise error(f"{what} ended with status {process.returncode} and no word")
    outcome: dict[str, Any] = json.loads(said)
    if "error" in outcome:
        raise error(outcome["error"])
    return outcome
