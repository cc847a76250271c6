"""The server under test, started as its users start it: `moatdns serve --config FILE`, and ended by its process id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import yaml

from resolver.worker.nursery import WORKER_NAME
from tests.support.api import Api
from tests.support.empty_store import put_empty_store
from tests.support.encrypted import Certificates
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, end, free_port, wait_until

LOCALHOST = "127.0.0.1"
_UNWELCOME = ("unexpected error in a worker", "a task of the supervisor failed")
_STARTS = 3  # another program may take the port that was free a moment ago

Event = dict[str, Any]


class Moatdns:
    """A running `moatdns serve` on a port of its own. A context manager: it is ended, and its log looked through.

    `config` lacks `listen`, `state_dir` and `admin.listen`, which are added unless given. The admin API listens only
    `with_api`, DoT and DoH with `certificates`. There is no limit of queries per second unless given: loads come from
    few addresses.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        *,
        listen_ipv6: bool = False,
        with_api: bool = False,
        certificates: Certificates | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config_file = folder / "moatdns.yaml"
        self.state_dir = folder / "state"
        self.snapshots = self.state_dir / "snapshots"
        self.log_file = folder / "log"
        self.port = 0
        self.admin_port = self.dot_port = self.doh_port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.expects_trouble = False
        self.makes_its_store = "user" in config  # or one that is there already, which takes less time
        self.command = [str(MOATDNS)]
        self.environment: dict[str, str] = {}  # beside that of this process
        self._config = config
        self._listen_ipv6 = listen_ipv6
        self._with_api = with_api
        self.certificates = certificates
        self._log_begins_at = 0
        self._token_is_known = False

    # Starting and ending

    def __enter__(self) -> Moatdns:
        try:
            self.start()
        except BaseException:  # too slow, or the test run is told to end: nobody else would stop it
            self.expects_trouble = True
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        status = self.stop()
        if kind is None:
            assert status == 0, f"moatdns ended with status {status}\n{self.log_text}"

    def start(self) -> None:
        """Start it and wait until it serves. The port stays what it was at an earlier start."""
        for attempt in range(_STARTS):
            if not self.port or attempt:
                self.port, self.admin_port = free_port(), free_port()
                self.dot_port, self.doh_port = free_port(), free_port()
            self.write_config(self._config)
            if not self.state_dir.exists() and not self.makes_its_store and "store" not in self._config:
                put_empty_store(self.state_dir)
            self.launch()
            assert self.process
            with contextlib.suppress(EOFError):
                self.wait_for("serving")
                return
            self.process.wait()
            if "is in use" not in self.log_text:
                break
        raise AssertionError(f"moatdns does not start:\n{self.log_text}")

    def launch(self, *, cwd: Path | None = None) -> None:
        """Start it, in the folder `cwd`, without waiting for anything. What it logs from now on is `events`."""
        assert self.process is None or self.process.poll() is not None
        with self.log_file.open("ab") as log:
            self._log_begins_at = log.tell()
            self.process = subprocess.Popen(
                [*self.command, "serve", "--config", str(self.config_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                env={**os.environ, **self.environment},
            )

    def stop(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """End it with SIGTERM, see that nothing of it is left, and look through its log. Gives the exit status."""
        if self.process is None:
            return 0
        family = self.family()
        status = end(self.process, seconds=seconds)
        _, alive = psutil.wait_procs(family, timeout=seconds)
        for left in alive:
            left.kill()
        assert not alive, f"processes left: {alive}"
        if not self.expects_trouble:
            self.assert_no_trouble()
        return status

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process
        self.process.kill()
        self.process.wait()

    # Its config

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the config file; it is not read before the next start or `reload`."""
        self._config = config
        if (admin_listen := config.get("admin", {}).get("listen")) is not None:
            self.admin_port = int(admin_listen.rpartition(":")[2])
        hosts = [LOCALHOST, "[::1]"] if self._listen_ipv6 else [LOCALHOST]
        admin = {"listen": f"{LOCALHOST}:{self.admin_port}" if self._with_api else None, **config.get("admin", {})}
        listen = {"do53": [f"{host}:{self.port}" for host in hosts]}
        tls = {}
        if self.certificates is not None:
            listen |= {"dot": [f"{LOCALHOST}:{self.dot_port}"], "doh": [f"{LOCALHOST}:{self.doh_port}"]}
            tls = self.certificates.section
        whole = {
            "tls": tls,
            "state_dir": "state",
            **config,
            "listen": {**listen, **config.get("listen", {})},
            "clients": {"queries_per_second": 0, **config.get("clients", {})},
            "admin": admin,
        }
        self.config_file.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")

    def reload(self, config: dict[str, Any]) -> Event:
        """Write the config, send SIGHUP, and wait until the log says how it went. Gives that event."""
        self.write_config(config)
        return self.hang_up()

    def hang_up(self) -> Event:
        """Send SIGHUP, and wait until the log says how it went. Gives that event."""
        known = len(self.events)
        self.signal(signal.SIGHUP)
        answers = ("reloaded", "the config is not used; the old one stays in force", "reload failed")
        return wait_until(
            lambda: next((e for e in self.events[known:] if e["event"].startswith(answers)), None), "a reload"
        )

    # Its API

    @property
    def api(self) -> Api:
        """The admin API, with the token of the first start."""
        token = wait_until(
            lambda: self._admin_token.is_file() and self._admin_token.read_text().strip(),
            "a token",
            seconds=2 * PATIENCE_SECONDS,
        )
        api = Api(self.admin_port, str(token))
        if not self._token_is_known:  # its file is there a moment before the store has it
            wait_until(lambda: api.call("GET", "lists").status != 401, "the token is known")
            self._token_is_known = True
        return api

    @property
    def _admin_token(self) -> Path:
        return self.state_dir / "admin.token"

    # Its processes

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self.process
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.pid, number)

    def family(self) -> list[psutil.Process]:
        """All its processes that run now, the supervisor first."""
        try:
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def whole_family(self, count: int = 5) -> list[psutil.Process]:
        """All its processes, once there are `count`: the supervisor, the nursery and two workers, the control process.

        Workers may serve before the control process is there.
        """
        wait_until(lambda: len(self.family()) == count, f"{count} processes")
        return self.family()

    def workers(self) -> list[psutil.Process]:
        """Its worker processes that run now."""
        found = []
        for process in self.family()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == WORKER_NAME and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def control(self) -> psutil.Process | None:
        """Its control process, if it runs now."""
        for process in self.family()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if "admin_api.control" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    return process
        return None

    # Its log

    @property
    def log_text(self) -> str:
        """What it logged since its last start."""
        with self.log_file.open("rb") as file:
            file.seek(self._log_begins_at)
            return file.read().decode()

    @property
    def events(self) -> list[Event]:
        """The log since its last start; what is no JSON is an event with that text alone."""
        events = []
        for line in self.log_text.splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # not all written yet
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            events.append(event if isinstance(event, dict) else {"event": line.rstrip("\n"), "level": "text"})
        return events

    def events_named(self, name: str) -> list[Event]:
        """The events of that name."""
        return [event for event in self.events if event["event"] == name]

    def wait_for(self, name: str, *, seconds: float = PATIENCE_SECONDS) -> Event:
        """The first event of that name since the last start. Raises EOFError when the server ends without it."""

        def found() -> Event | None:
            assert self.process
            has_ended = self.process.poll() is not None
            event = next(iter(self.events_named(name)), None)
            if event is None and has_ended:
                raise EOFError(name)
            return event

        return wait_until(found, f"{name!r} in the log of moatdns")

    def counts(self) -> dict[str, int]:
        """What the workers have counted: outcomes and drops, summed."""
        known = len(self.events_named("counts"))
        workers = len(self.workers())
        self.signal(signal.SIGUSR1)
        wait_until(lambda: len(self.events_named("counts")) >= known + workers, "the counts of all workers")
        total: dict[str, int] = {}
        for event in self.events_named("counts")[known:]:
            for what, number in (*event["outcomes"].items(), *event["dropped"].items()):
                total[what] = total.get(what, 0) + number
        return total

    def assert_no_trouble(self) -> None:
        """Nothing went wrong that nobody expected: no traceback, no crash of a task."""
        troubles = [event for event in self.events if event["event"] in _UNWELCOME or event["level"] == "text"]
        assert not troubles, f"trouble in the log of moatdns:\n{self.log_text}"
