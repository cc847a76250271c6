"""Faults that alerts are for, made for real: what breaks while a context lasts, and which alerts that sets off."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from admin_api.store.engine import FILE
from prove.full_disk_program import full
from prove.locked_store import locked
from prove.queries import in_turn, mixed, unique
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from resolver.snapshot.manifests import SNAPSHOTS
from tests.support import feed as served
from tests.support.api import Api
from tests.support.encrypted import Certificates
from tests.support.feed import Feed
from tests.support.programs import program
from tests.support.publisher import Publisher, catalogue

QUERIES_PER_SECOND = 60
BLOCKED: Final = [f"blocked-{number}.example" for number in range(20)]
_STORE_SECONDS = 10.0


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


@dataclass(slots=True)
class Scene:
    """A server with all that may fail around it."""

    folder: Path
    upstreams: tuple[Upstream, Upstream]
    feed: Feed
    publisher: Publisher
    receiver: HookReceiver
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

    def refresh(self) -> None:
        """Have the list and the feed fetched."""
        asked = self.api.post("lists/feed:refresh", {}, status=202)  # which another owner has to approve
        self.second.post(f"change-requests/{asked['id']}:approve", {}, status=200)
        self.api.post("catalogue:refresh", None, status=202)


Make = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class AlertFault:
    """One fault; `may` are alerts that are right to fire with it, and need not."""

    what: str
    fires: tuple[str, ...]
    make: Make
    may: tuple[str, ...] = ()


@contextlib.contextmanager
def _upstream_killed(scene: Scene) -> Iterator[None]:
    scene.upstreams[0].stop()
    yield
    scene.upstreams[0].__enter__()


@contextlib.contextmanager
def _upstreams_killed(scene: Scene) -> Iterator[None]:
    for upstream in scene.upstreams:
        upstream.stop()
    yield
    for upstream in scene.upstreams:
        upstream.__enter__()


@contextlib.contextmanager
def _list_failing(scene: Scene) -> Iterator[None]:
    scene.feed.behave = served.status(500)
    scene.publisher.publish_wrongly("tampered", scene.catalogues + 1)
    scene.refresh()
    yield
    scene.feed.behave = served.serve
    scene.catalogues += 2
    scene.publisher.publish(catalogue(scene.catalogues, "first.example"))
    scene.refresh()


def _certificate(**left: int) -> Make:
    @contextlib.contextmanager
    def ending(scene: Scene) -> Iterator[None]:
        scene.certificates.renew(ends_at=datetime.now(UTC) + timedelta(**left))
        scene.service.hang_up()
        yield
        scene.certificates.renew()
        scene.service.hang_up()

    return ending


@contextlib.contextmanager
def _exemption_waits(scene: Scene) -> Iterator[None]:
    facts = {"subject": {"client": "127.0.0.9"}, "scope": ["vendors"], "owner": "Ana", "reason": "a trial"}
    asked = scene.api.call("POST", "exemptions", {**facts, "duration_seconds": 3600}).body
    yield
    scene.api.call("POST", f"exemptions/{asked['id']}:deny", {})


@contextlib.contextmanager
def _receiver_away(scene: Scene) -> Iterator[None]:
    scene.receiver.stop()
    scene.api.post("webhooks:test", {}, status=202)
    yield
    scene.receiver.start()
    scene.api.post("webhooks:test", {}, status=202)


@contextlib.contextmanager
def _disk_full(scene: Scene) -> Iterator[None]:
    with full(scene.service.state_dir):
        yield


@contextlib.contextmanager
def _store_locked(scene: Scene) -> Iterator[None]:
    with locked(scene.service.state_dir):
        yield


@contextlib.contextmanager
def _snapshots_read_only(scene: Scene) -> Iterator[None]:
    folder = str(scene.service.state_dir / SNAPSHOTS)
    mount = program("mount")
    subprocess.run([mount, "--bind", folder, folder], check=True)
    subprocess.run([mount, "-o", "remount,bind,ro", folder], check=True)
    try:
        scene.api.call("POST", "lists", {"name": f"more-{scene.loads}", "block": ["more.example"]})
        yield
    finally:
        subprocess.run([program("umount"), folder], check=True)


@contextlib.contextmanager
def _supervisor_hangs(scene: Scene) -> Iterator[None]:
    """It is stopped, so that no worker hears of a lease, and nobody knows of workers."""
    call = threading.Thread(
        target=scene.api.call, args=("PUT", "leases/192.0.2.7", {"identity": "a", "ttl_seconds": 600})
    )
    scene.service.signal(signal.SIGSTOP)
    call.start()
    try:
        yield
    finally:
        scene.service.signal(signal.SIGCONT)
        call.join()


@contextlib.contextmanager
def _audit_row_changed(scene: Scene) -> Iterator[None]:
    def becomes(actor: str) -> str:
        with closing(sqlite3.connect(scene.store, timeout=_STORE_SECONDS)) as store, store:
            (before,) = store.execute("SELECT actor FROM audit WHERE id = 2").fetchone()
            store.execute("UPDATE audit SET actor = ? WHERE id = 2", (actor,))
        return str(before)

    right = becomes("somebody-else")
    yield
    becomes(right)


@contextlib.contextmanager
def _nobody_asks(scene: Scene) -> Iterator[None]:
    scene.end_load()
    yield
    scene.begin_load()


@contextlib.contextmanager
def _server_stopped(scene: Scene) -> Iterator[None]:
    scene.end_load()
    scene.service.stop()
    yield
    scene.service.start()
    scene.begin_load()


_TO_STORE = ("MoatdnsStoreDown", "MoatdnsMessagesFailing", "MoatdnsPolicyOld", "MoatdnsExceptionsOld")

FAULTS: Final = (
    AlertFault("one of two upstreams killed", ("MoatdnsUpstreamFailing",), _upstream_killed),
    AlertFault("a certificate with ten days left", ("MoatdnsCertificateEnding",), _certificate(days=10)),
    AlertFault(
        "the servers of a list and of the feed fail", ("MoatdnsListFailing", "MoatdnsFeedFailing"), _list_failing
    ),
    AlertFault(
        "both upstreams killed",
        ("MoatdnsUpstreamFailing", "MoatdnsAllUpstreamsFailing", "MoatdnsFailedAnswers"),
        _upstreams_killed,
    ),
    AlertFault(
        "a certificate with ten hours left",
        ("MoatdnsCertificateEnding", "MoatdnsCertificateOver"),
        _certificate(hours=10),
    ),
    AlertFault("an exemption waits", ("MoatdnsExemptionsWaiting",), _exemption_waits),
    AlertFault("a webhook's receiver is away", ("MoatdnsMessagesFailing",), _receiver_away),
    AlertFault("the disk full", ("MoatdnsDiskLow", "MoatdnsLogDropping"), _disk_full, may=_TO_STORE),
    AlertFault("the store locked", ("MoatdnsStoreDown",), _store_locked, may=_TO_STORE),
    AlertFault("snapshots cannot be written", ("MoatdnsPolicyOld",), _snapshots_read_only),
    AlertFault(
        "the supervisor hangs",
        ("MoatdnsNoWorkers", "MoatdnsExceptionsOld"),
        _supervisor_hangs,
        may=("MoatdnsPolicyOld", "MoatdnsDown"),  # it takes those for dead that it did not hear meanwhile
    ),
    AlertFault("a row of the audit trail changed", ("MoatdnsAuditNotWhole",), _audit_row_changed),
    AlertFault("nobody asks any more", ("MoatdnsNoAnswers",), _nobody_asks),
    AlertFault("the server stopped", ("MoatdnsDown",), _server_stopped, may=("MoatdnsNoAnswers",)),
)

NOT_MADE: Final = {"MoatdnsLogSinkDropping": "no log sink yet"}
"""Alerts without a fault here, each with its reason."""
