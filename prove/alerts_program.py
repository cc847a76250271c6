"""Alerts beside their faults, inside a mount namespace: ``unshare --mount -- python -m prove.alerts_program '{…}'``.

The state directory is a small tmpfs. Faults are made one after the other; between them nothing may fire. Figures are
printed as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prove.alert_faults import FAULTS, AlertFault
from prove.alert_rules import RULES, alert_names, shortened
from prove.alert_scene import BLOCKED, HookReceiver, Scene, SyslogServer
from prove.alerts import AlertsEffort
from prove.figures import Figure, at_most, exactly
from prove.service import Service
from prove.upstream import Upstream
from tests.support.api import Api
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.feed import Feed
from tests.support.log_collector import Collector
from tests.support.mail_server import MailServer
from tests.support.programs import MOATDNS, free_port, program
from tests.support.prometheus import Prometheus
from tests.support.publisher import Publisher, catalogue
from tests.support.rsyslog import Rsyslog

_MIB = 400
_FIRE_SECONDS = 100.0  # a look at all audit rows each minute, and what the rules wait
_QUIET_SECONDS = 120.0
_LOOK_SECONDS = 0.25


def main(order: dict[str, Any]) -> list[Figure]:
    """Mount, run, and tell."""
    folder = Path(order.pop("folder"))
    effort = AlertsEffort(**order)
    state_dir = folder / "moatdns" / "state"
    state_dir.mkdir(parents=True)
    options = f"size={_MIB}m,mode=0700"
    subprocess.run([program("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(state_dir)], check=True)
    rules = RULES.read_text()
    with ExitStack() as stack:
        scene = _scene(stack, folder)
        watch = stack.enter_context(Prometheus(folder / "prometheus", scene.service.admin_port, rules=shortened(rules)))
        scene.begin_load()
        stack.callback(scene.end_load)
        figures = [exactly("healthy: alerts that fired", len(_fired(watch, effort.healthy_seconds)), 0)]
        faults = FAULTS[effort.first : effort.last]
        for fault in faults:
            figures += _made(fault, scene, watch)
        if faults == FAULTS:
            made = {name for fault in faults for name in fault.fires}
            figures.append(exactly("alerts without a fault", len(alert_names(rules) - made), 0))
    return figures


def _scene(stack: ExitStack, folder: Path) -> Scene:
    upstreams = [stack.enter_context(Upstream(folder / f"upstream-{number}")) for number in (1, 2)]
    feed, publisher = stack.enter_context(Feed(b"listed.example\n")), stack.enter_context(Publisher())
    publisher.publish(catalogue(1, "first.example"))
    receiver = HookReceiver()
    receiver.start()
    stack.callback(receiver.stop)
    mails = stack.enter_context(MailServer(folder / "mail"))
    collector = stack.enter_context(Collector(folder / "collector", free_port()))
    certificates = Certificates(folder / "certificates")
    daemon = Rsyslog(folder / "rsyslog", free_port(), certificates)
    syslog = SyslogServer(daemon)
    syslog.start()
    stack.callback(syslog.stop)
    tls = {"ca": str(certificates.authority), "server_name": SERVER_NAME}
    config = {
        "workers": 2,
        "upstream": {"servers": [upstream.server for upstream in upstreams]},
        "cache": {"stale_seconds": 0},
        "policy": {
            "catalogue": {"feed": publisher.url, "keys": [publisher.key.public.line], "allow_private": True},
            "approval": "four-eyes",
            "lists": [{"name": "house", "block": BLOCKED}],
        },
        "webhooks": [{"url": f"http://127.0.0.1:{receiver.port}/", "secret": "s", "allow_private": True}],
        "mail": {**mails.section, "most_per_hour": 1000},
        "log_sinks": [
            {"to": collector.url, "what": ["queries"]},
            {
                "to": f"syslog+tls://127.0.0.1:{daemon.port}",
                "what": ["queries"],
                "longest_wait_seconds": 5,
                "tls": tls,
            },
        ],
    }
    service = Service(folder / "moatdns", config, with_api=True, certificates=certificates)
    stack.enter_context(service)
    second = Api(service.admin_port, _token_of_another(service))
    scene = Scene(
        folder,
        (upstreams[0], upstreams[1]),
        feed,
        publisher,
        receiver,
        collector,
        syslog,
        mails,
        certificates,
        service,
        second,
    )
    scene.api.post("lists", {"name": "feed", "url": feed.url, "allow_private": True})
    return scene


def _token_of_another(service: Service) -> str:
    assert service.api.token
    ran = subprocess.run(
        [
            *(MOATDNS, "token", "create", "--config", str(service.config_file)),
            *("--name", "ben", "--role", "admin", "--owner", "Ben"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


def _made(fault: AlertFault, scene: Scene, watch: Prometheus) -> list[Figure]:
    """Figures of one fault: from quiet to its alerts, and back to quiet."""
    began = time.monotonic()
    seen: set[str] = set()
    with fault.make(scene):
        fired_after: float | None = None
        while fired_after is None and time.monotonic() - began < _FIRE_SECONDS:
            now = watch.firing()
            seen |= now
            if now >= set(fault.fires):
                fired_after = time.monotonic() - began
            time.sleep(_LOOK_SECONDS)
        over = time.monotonic()
    quiet_after: float | None = None
    while quiet_after is None and time.monotonic() - over < _QUIET_SECONDS:
        now = watch.firing()
        seen |= now
        quiet_after = None if now else time.monotonic() - over
        time.sleep(_LOOK_SECONDS)
    wrong = sorted(seen - set(fault.fires) - set(fault.may))
    names = ", ".join(name.removeprefix("Moatdns") for name in fault.fires)
    return [
        at_most(f"{fault.what}: {names} after", fired_after, _FIRE_SECONDS, "s"),
        exactly(f"{fault.what}: other alerts{' (' + ', '.join(wrong) + ')' if wrong else ''}", len(wrong), 0),
        at_most(f"{fault.what}, mended: quiet after", quiet_after, _QUIET_SECONDS, "s"),
    ]


def _fired(watch: Prometheus, seconds: float) -> set[str]:
    """All that fired within a time."""
    deadline = time.monotonic() + seconds
    seen: set[str] = set()
    while time.monotonic() < deadline:
        seen |= watch.firing()
        time.sleep(_LOOK_SECONDS)
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps([asdict(figure) for figure in main(json.loads(sys.argv[1]))]))
