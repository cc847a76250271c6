"""A collector of logs by HTTP, as a program of its own: it can be stopped, killed, slow, or have a full disk.

What it has taken is in a file, a line a row, as it came.
"""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.programs import PYTHON, end, wait_until

_LOCALHOST = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[2]


class Collector:
    """The program. `mode` is ok, slow (a second an answer) or full (what it writes to has no room)."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.taken_file = folder / "taken"
        self._mode_file = folder / "mode"
        self._ready_file = folder / "ready"
        self.process: subprocess.Popen[bytes] | None = None
        self.taken_file.touch()
        self.mode = "ok"

    @property
    def url(self) -> str:
        """Where batches go."""
        return f"http://{_LOCALHOST}:{self.port}/logs"

    @property
    def mode(self) -> str:
        """How it behaves."""
        return self._mode_file.read_text()

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode_file.write_text(mode)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._ready_file.unlink(missing_ok=True)
        files = map(str, (self.taken_file, self._mode_file, self._ready_file))
        command = [PYTHON, "-m", "tests.support.log_collector", str(self.port), *files]
        self.process = subprocess.Popen(command, cwd=_ROOT)
        wait_until(self._ready_file.exists, "the collector listens")

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            end(self.process)

    def rows(self) -> list[dict[str, Any]]:
        """All rows that it has taken; a line that a kill cut off was not taken."""
        lines = self.taken_file.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]

    def ids(self) -> list[str]:
        """The ids of their events."""
        return [row["event"]["id"] for row in self.rows()]


def _serve(port: int, taken: Path, mode: Path, ready: Path) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            behaves = mode.read_text()
            if behaves == "slow":
                time.sleep(1.0)
            try:
                with (Path("/dev/full") if behaves == "full" else taken).open("ab") as file:
                    file.write(body)
            except OSError as error:
                self._answer(507, str(error))
            else:
                self._answer(200, "taken")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            with contextlib.suppress(BrokenPipeError):  # who waited for it has gone
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((_LOCALHOST, port), Handler) as server:
        ready.touch()
        server.serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), *map(Path, sys.argv[2:]))
