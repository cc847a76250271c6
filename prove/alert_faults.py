"""Faults that alerts are for, made for real: what breaks while a context lasts, and which alerts that sets off."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prove.alert_scene import Scene
from prove.full_disk_program import full
from prove.locked_store import locked
from resolver.snapshot.manifests import SNAPSHOTS
from tests.support import feed as served
from tests.support.programs import program
from tests.support.publisher import catalogue

_STORE_SECONDS = 10.0

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
def _collectors_away(scene: Scene) -> Iterator[None]:
    scene.collector.kill()
    scene.syslog.stop()
    yield
    scene.collector.start()
    scene.syslog.start()


@contextlib.contextmanager
def _mail_refused(scene: Scene) -> Iterator[None]:
    scene.mails.replies = ["550 no such mailbox"]
    scene.api.post("mail:test", {}, status=202)
    yield


@contextlib.contextmanager
def _restored(scene: Scene) -> Iterator[None]:
    backup = str(scene.folder / "node.backup")
    scene.command("backup", backup)
    scene.end_load()
    scene.service.stop()
    scene.command("restore", backup, "--replace")
    scene.service.start()
    scene.begin_load()
    yield
    scene.command("store", "confirm-restored", "--all")


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
    AlertFault(
        "the collectors of two log sinks are away",
        ("MoatdnsLogSinkDropping", "MoatdnsLogSinkFailing", "MoatdnsLogSinkBehind"),
        _collectors_away,
    ),
    AlertFault("a mail is refused for good", ("MoatdnsMessagesLost",), _mail_refused),
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
    AlertFault(
        "a store restored from a backup",
        ("MoatdnsRestoredWaiting",),
        _restored,
        # While it is restored, and starts; and a sink that waits for five seconds passes over what is older then.
        may=("MoatdnsDown", "MoatdnsNoAnswers", "MoatdnsNoWorkers", "MoatdnsLogSinkDropping"),
    ),
    AlertFault("the server stopped", ("MoatdnsDown",), _server_stopped, may=("MoatdnsNoAnswers",)),
)
