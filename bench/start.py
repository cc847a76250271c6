"""``python -m bench.start``: the time to the first answer of a start with a policy on disk, and the memory afterwards.

A server with two workers and the bundled catalogue is started again and again on the same state directory, as the user
who runs this; `--before TREE` starts that of another source tree by turns. A client asks every five milliseconds from
the moment of the start. Memory is each process's share (PSS), told when all have been quiet for a while. Other load on
the machine makes times longer: see the quartiles. Exit codes: 0 measured, 1 it could not be, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import dns.message
import psutil
import yaml

from bench.arithmetic import spread, turns
from bench.errors import BenchError

_HERE = Path(__file__).resolve().parents[1]
_ASK_SECONDS = 0.005
_START_SECONDS = 60.0
_FIRST_SECONDS = 8.0  # for the first start to write all that later ones find
_STOP_SECONDS = 30.0
_MOST_LOG = 2000  # characters of its end
_QUERY = dns.message.make_query("claude.ai", "A").to_wire()


@dataclass(slots=True)
class Starter:
    """A server of one source tree, with its state directory, and what was measured of its starts."""

    tree: Path
    folder: Path
    port: int
    seconds: list[float] = field(default_factory=list)
    mib: list[dict[str, float]] = field(default_factory=list)  # of each process, by pid and name

    def start(self, quiet_seconds: float, *, counts: bool = True) -> None:
        """Start it, wait for an answer, look at its memory after so long, end it. Raises BenchError."""
        config = self.folder / "moatdns.yaml"
        whole = {
            "listen": {"do53": [f"127.0.0.1:{self.port}"]},
            "admin": {"listen": f"127.0.0.1:{self.port + 1}"},
            "upstream": {"servers": ["udp://127.0.0.1:9"]},
            "workers": 2,
            "state_dir": str(self.folder / "state"),
        }
        config.write_text(yaml.safe_dump(whole), encoding="utf-8")
        paths = (str(self.tree), os.environ.get("PYTHONPATH"))
        with (self.folder / "log").open("wb") as log:
            began = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "moatdns", "serve", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            )
            try:
                self._await_answer(process, began)
                seconds = time.monotonic() - began
                time.sleep(quiet_seconds)
                if counts:
                    self.seconds.append(seconds)
                    self.mib.append(_memory(process.pid))
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(_STOP_SECONDS)

    def _await_answer(self, process: subprocess.Popen[bytes], began: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self.port))
            client.settimeout(_ASK_SECONDS)
            while time.monotonic() - began < _START_SECONDS and process.poll() is None:
                try:
                    client.send(_QUERY)
                    client.recv(512)
                except TimeoutError:
                    continue
                except ConnectionRefusedError:
                    time.sleep(_ASK_SECONDS)
                    continue
                return
        said = (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-_MOST_LOG:]
        raise BenchError(f"no answer from the server of {self.tree}, which says:\n{said}")

    def report(self) -> str:
        """All that was measured, as lines of Markdown."""
        answer = spread(self.seconds)
        total = spread([sum(one.values()) for one in self.mib])
        parts = ", ".join(f"{name} {mib:.1f}" for name, mib in self.mib[-1].items())
        return (
            f"- {self.tree}: first answer {answer.median:.3f} s [{answer.low:.3f}–{answer.high:.3f}], "
            f"memory {total.median:.1f} MiB [{total.low:.1f}–{total.high:.1f}] PSS: {parts}"
        )


def _memory(pid: int) -> dict[str, float]:
    """MiB (PSS) of a process and all below it."""
    root = psutil.Process(pid)
    found = {}
    for process in (root, *root.children(recursive=True)):
        module = next((after for flag, after in pairwise(process.cmdline()) if flag == "-m"), "")
        name = process.name() if process.name().startswith("moatdns-") else module
        found[f"{name} ({process.pid})"] = process.memory_full_info().pss / 2**20
    return found


def _free_ports() -> int:
    """A port that is free, with the one after it."""
    while True:
        with socket.socket() as one, socket.socket() as next_one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                next_one.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def measured(trees: Sequence[Path], folder: Path, *, rounds: int, quiet_seconds: float) -> list[Starter]:
    """Start the servers of all trees by turns. Raises BenchError."""
    starters = []
    for number, tree in enumerate(trees):
        place = folder / str(number)
        place.mkdir()
        starters.append(Starter(tree, place, _free_ports()))
    for starter in starters:
        starter.start(_FIRST_SECONDS, counts=False)
    for round_number in range(rounds):
        for turn in turns(len(starters), round_number):
            starters[turn].start(quiet_seconds)
    return starters


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--before", type=Path, help="another source tree, started by turns with this one")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quiet", type=float, default=3.0, help="seconds between the first answer and the look")
    options = parser.parse_args(arguments)
    trees = [_HERE] if options.before is None else [options.before.resolve(), _HERE]
    with tempfile.TemporaryDirectory(prefix="moatdns-start-") as name:
        try:
            starters = measured(trees, Path(name), rounds=options.rounds, quiet_seconds=options.quiet)
        except BenchError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    for starter in starters:
        sys.stdout.write(f"{starter.report()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
