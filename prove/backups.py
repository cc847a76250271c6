"""Backups under heavy load, each restored and looked through: DNS loses nothing, and no copy is of half a change.

While queries come by the thousand and the API makes lists and removes them, a running server is backed up again and
again, with its query log, two at a time. Each backup is restored into a directory of its own: the trail has to be
whole, and the lists just those that its rows made and did not remove.
"""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from admin_api.store.engine import FILE
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import in_turn, mixed, unique
from prove.service import Service
from prove.state import faults_of
from prove.steady import Steady
from prove.upstream import Upstream
from resolver.snapshot.manifests import SNAPSHOTS
from tests.support.api import Api
from tests.support.programs import MOATDNS

WHAT = "a server is backed up under load, two at a time, and each backup restored"
_BLOCKED = [f"blocked-{number}.example" for number in range(20)]
_GROWTH_MIB = 16
_SECONDS = 300.0  # for a command


@dataclass(frozen=True, slots=True)
class BackupsEffort:
    """Size of a run: the full one, or a short look."""

    rounds: int  # of two backups
    queries_per_second: int
    rules: int  # of a list beside those that change


FULL = BackupsEffort(rounds=10, queries_per_second=5000, rules=200_000)
SHORT = BackupsEffort(rounds=1, queries_per_second=500, rules=1000)


def run(effort: BackupsEffort, folder: Path) -> list[Figure]:
    """Back up, restore, compare."""
    queries = mixed(in_turn(_BLOCKED), in_turn(["cached.example"]), unique("m"))
    with Upstream(folder / "upstream") as upstream:
        config = {
            "workers": 2,
            "upstream": {"servers": [upstream.server]},
            "policy": {"lists": [{"name": "staff", "block": _BLOCKED}]},
        }
        with Service(folder / "moatdns", config, with_api=True) as service:
            rules = [f"n{number}.example" for number in range(effort.rules)]
            assert service.api.call("POST", "lists", {"name": "large", "block": rules}).status in (201, 202)
            control = service.control()
            assert control is not None
            mib = control.memory_info().rss / 2**20
            with Steady(service.port, queries, effort.queries_per_second) as steady, _changes(service.api) as changed:
                began = time.monotonic()
                backups = [path for number in range(effort.rounds) for path in _two(service, folder, number)]
                seconds = (time.monotonic() - began) / effort.rounds
            grown_mib = control.memory_info().rss / 2**20 - mib
            is_same = service.control() == control
        troubles = len(service.troubles)
    wrong = [fault for path in backups for fault in _faults_of_restored(path, folder)]
    return [
        told(f"queries at {effort.queries_per_second:,}/s", len(steady.asked)),
        exactly("lost", len(steady.lost), 0),
        told("p99", steady.percentile_ms(0.99), "ms"),
        at_least("changes by the API meanwhile", len(changed), effort.rounds),
        exactly("backups that failed", 2 * effort.rounds - len(backups), 0),
        told("two at a time take", seconds, "s"),
        exactly("restored backups that are not whole", len(wrong), 0),
        at_most("memory of the control process grows by", grown_mib, _GROWTH_MIB, "MiB"),
        exactly("processes ended, unexpected errors", troubles + (not is_same), 0),
    ]


def _two(service: Service, folder: Path, number: int) -> list[Path]:
    """Make two backups at once; gives those that were made."""
    paths = [folder / f"{number}-{which}.backup" for which in "ab"]
    words = [MOATDNS, "backup", "--with-query-log", "--config", str(service.config_file)]
    running = [subprocess.Popen([*words, str(path)], stdout=subprocess.DEVNULL) for path in paths]
    return [path for path, one in zip(paths, running, strict=True) if one.wait(_SECONDS) == 0]


def _faults_of_restored(backup: Path, folder: Path) -> list[str]:
    """Restore a backup into a directory of its own; gives what is wrong with it."""
    place = folder / backup.stem
    place.mkdir()
    config = place / "moatdns.yaml"
    config.write_text("state_dir: state\n")
    words = [MOATDNS, "restore", str(backup), "--config", str(config)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if ended.returncode:
        return [ended.stderr]
    state_dir = place / "state"
    with closing(sqlite3.connect(state_dir / FILE)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM lists WHERE name LIKE 'made-%'")}
        made = "SELECT action, object FROM audit WHERE object LIKE 'lists/made-%' ORDER BY id"
        rows = connection.execute(made).fetchall()
    expected: set[str] = set()
    for action, thing in rows:
        name = thing.removeprefix("lists/")
        expected = expected - {name} if action == "delete" else expected | {name}
    no_policy = f"no compiled policy in {state_dir / SNAPSHOTS}"  # it is made at the first start
    faults = [fault for fault in faults_of(state_dir) if fault != no_policy]
    return [*faults, *(f"{name} is in the store, or in the trail, alone" for name in names ^ expected)]


@contextmanager
def _changes(api: Api) -> Iterator[list[int]]:
    """Lists that are made, and every other one removed, all the time."""
    done: list[int] = []
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            number = len(done)
            api.post("lists", {"name": f"made-{number}", "block": [f"x{number}.example"]})
            if number % 2:
                api.delete(f"lists/made-{number}")
            done.append(number)
            time.sleep(0.02)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()
