"""The scene of the faults that alerts are for: a server with all that may fail around it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from admin_api.store.engine import FILE
from prove.queries import in_turn, mixed, unique
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.api import Api
from tests.support.encrypted import Certificates
from tests.support.feed import Feed
from tests.support.log_collector import Collector
from tests.support.mail_server import MailServer
from tests.support.programs import MOATDNS
from tests.support.publisher import Publisher
from tests.support.rsyslog import Rsyslog

QUERIES_PER_SECOND = 60
BLOCKED: Final = [f"blocked-{number}.example" for number in range(20)]


class HookReceiver:
    """A receiver of webhooks on one port, which can be away."""

    def __init__(self) -> None:
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Take messages."""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class SyslogServer:
    """A real rsyslogd over TLS, which can be away."""

    def __init__(self, daemon: Rsyslog) -> None:
        self._daemon = daemon
        self._running = ExitStack()

    def start(self) -> None:
        """Take rows."""
        self._running.enter_context(self._daemon.running())

    def stop(self) -> None:
        """Be away."""
        self._running.close()


@dataclass(slots=True)
class Scene:
    """A server with all that may fail around it."""

    folder: Path
    upstreams: tuple[Upstream, Upstream]
    feed: Feed
    publisher: Publisher
    receiver: HookReceiver
    collector: Collector
    syslog: SyslogServer
    mails: MailServer
    certificates: Certificates
    service: Service
    second: Api  # with the token of another owner
    load: Steady | None = None
    catalogues: int = 1
    loads: int = 0
    stops: list[Callable[[], object]] = field(default_factory=list)

    @property
    def api(self) -> Api:
        """Its API."""
        return self.service.api

    @property
    def store(self) -> Path:
        """The file of the store."""
        return self.service.state_dir / FILE

    def begin_load(self) -> None:
        """Ask for blocked names and for new ones, so that upstreams are asked, too."""
        self.loads += 1
        names = mixed(in_turn(BLOCKED), unique(f"u{self.loads}-"))
        self.load = Steady(self.service.port, names, QUERIES_PER_SECOND)
        self.load.__enter__()

    def end_load(self) -> None:
        """Ask nothing more."""
        if self.load is not None:
            self.load.__exit__(None, None, None)
            self.load = None

    def command(self, *words: str) -> str:
        """Run a command of moatdns on this server's config; gives what it printed."""
        command = [MOATDNS, *words, "--config", str(self.service.config_file)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(f"{words}: {ran.stdout}{ran.stderr}")
        return ran.stdout

    def refresh(self) -> None:
        """Have the list and the feed fetched."""
        asked = self.api.post("lists/feed:refresh", {}, status=202)  # which another owner has to approve
        self.second.post(f"change-requests/{asked['id']}:approve", {}, status=200)
        self.api.post("catalogue:refresh", None, status=202)
