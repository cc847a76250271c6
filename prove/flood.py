"""Floods of queries for random names, from many source addresses; sent by a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.support.programs import end

_ROOT = Path(__file__).parents[1]


class Flood:
    """A flood of `count` random names below `zone` while the context lasts; then `sent` tells how many went out."""

    def __init__(
        self,
        port: int,
        zone: str,
        *,
        per_second: int,
        count: int,
        addresses: Sequence[str],
        sockets_of_each: int = 1,
        seed: int = 1,
    ) -> None:
        self.sent = 0
        self._behaviour = {
            "port": port,
            "zone": zone,
            "per_second": per_second,
            "count": count,
            "addresses": list(addresses),
            "sockets_of_each": sockets_of_each,
            "seed": seed,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Flood:
        command = [sys.executable, "-m", "prove.flood_program", json.dumps(self._behaviour)]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(ended=True)

    def wait(self) -> None:
        """Wait until all is sent."""
        self._finish(ended=False)

    def _finish(self, *, ended: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdout
        if ended:
            end(process)
        with process.stdout as said:
            self.sent = int(said.read() or 0)
        process.wait()
