"""Upstreams as programs of their own: each serves until a signal, and writes down what it was asked."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

Behaviour = dict[str, Any]
"""The program's only argument, as JSON: `ready` and `asked` name files, the rest is the program's own."""


async def until_told(behaviour: Behaviour) -> None:
    """Say that all is ready, and wait for SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    loop.call_soon(Path(behaviour["ready"]).touch)
    await end.wait()


def run_program(serve: Callable[[Behaviour], Awaitable[list[str]]]) -> None:
    """Serve as the argument says, and write down what was asked."""
    behaviour: Behaviour = json.loads(sys.argv[1])

    async def run() -> list[str]:
        return await serve(behaviour)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        asked = runner.run(run())
    Path(behaviour["asked"]).write_text("\n".join(asked), encoding="ascii")
