"""A host of our own whose /etc/resolv.conf changes under moatdns. Run as ``python -m tests.support.resolv_conf``.

In namespaces of its own, with a copy of /etc. What was seen at each step is printed as JSON.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moatdns.ourselves import is_ourselves
from resolver.config.settings import UpstreamServer
from resolver.listeners.sockets import Listen
from tests.support.clients import Dug, dig
from tests.support.moatdns import Moatdns
from tests.support.programs import program, wait_until
from tests.support.stub import StubUpstream

RESOLV_CONF = Path("/etc/resolv.conf")
ONE, OTHER = "127.0.0.21", "127.0.0.22"  # nameservers; each has an address of its own to tell
OWN, FOREIGN = "198.51.100.7", "203.0.113.7"  # an address of this host, and one that is none of it
_RECORD = "{name}. 300 IN A {address}"
_NAMES = ("first", "slow", "replaced", "linked", "elsewhere", "gone", "reloaded")


class Host:
    """A running moatdns, and two nameservers."""

    def __init__(self, moatdns: Moatdns, folder: Path) -> None:
        self._moatdns = moatdns
        self._folder = folder
        self.seen: dict[str, Any] = {}

    def ask(self, name: str) -> Dug:
        return dig(53, f"{name}.example")

    def ready(self) -> dict[str, Any]:
        body: dict[str, Any] = self._moatdns.api.get("/ready")
        return body

    def note(self, step: str, change: Callable[[], None], name: str, expected: list[str]) -> None:
        """Make a change, and note how long it takes until a name is answered so."""
        change()
        began = time.monotonic()
        wait_until(lambda: self.ask(name).rdata == expected, f"{step}: {expected}")
        self.seen[step] = time.monotonic() - began

    def until_ready_is(self, status: str, step: str) -> None:
        began = time.monotonic()
        wait_until(lambda: self.ready()["status"] == status, f"{step}: {status}")
        self.seen[step] = {"seconds": time.monotonic() - began, "why": self.ready()["why"]}


def nameserver(address: str) -> str:
    return f"# made for a test\nnameserver {address}\n"


def put_in_place(path: Path, content: str) -> None:
    """As resolvconf does it: another file in the old one's place."""
    part = path.with_suffix(".part")
    part.write_text(content)
    part.replace(path)


def link_to(path: Path) -> None:
    """As systemd-resolved has it."""
    part = RESOLV_CONF.with_suffix(".link")
    part.symlink_to(path)
    part.replace(RESOLV_CONF)


def main(folder: Path) -> None:
    """Set the host up, change its nameservers, print what was seen."""
    for what in (("link", "set", "lo", "up"), ("address", "add", f"{OWN}/32", "dev", "lo")):
        subprocess.run([program("ip"), *what], check=True)
    etc = folder / "etc"
    with contextlib.suppress(shutil.Error):  # what only root may read is not needed
        shutil.copytree("/etc", etc, symlinks=True)
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("# nobody yet\n")
    subprocess.run([program("mount"), "--bind", str(etc), "/etc"], check=True)
    one, other = (
        StubUpstream({f"{name}.example": _RECORD.format(name=f"{name}.example", address=told) for name in _NAMES},
                     host=host, port=53)
        for host, told in ((ONE, "192.0.2.21"), (OTHER, "192.0.2.22"))
    )  # fmt: skip
    config = {"workers": 2, "listen": {"do53": ["127.0.0.1:53"]}}
    moatdns = Moatdns(folder / "moatdns", config, with_api=True)
    with one, other, moatdns:
        host = Host(moatdns, folder)
        workers = sorted(worker.pid for worker in moatdns.workers())
        host.until_ready_is("degraded", "empty at the start")
        host.seen["asked with nobody"] = host.ask("first").status
        host.note("written", lambda: RESOLV_CONF.write_text(nameserver(ONE)), "first", ["192.0.2.21"])
        host.until_ready_is("ready", "ready once there is one")
        one.delays["slow.example"] = 1.8  # longer than until the next look, and less than a server may take
        slow: list[str] = []
        asking = threading.Thread(target=lambda: slow.extend(host.ask("slow").rdata))
        asking.start()
        host.note("replaced", lambda: put_in_place(RESOLV_CONF, nameserver(OTHER)), "replaced", ["192.0.2.22"])
        asking.join()
        host.seen["in flight meanwhile"] = slow
        files = {address: folder / f"{address}.conf" for address in (ONE, OTHER)}
        for address, path in files.items():
            path.write_text(nameserver(address))
        host.note("linked", lambda: link_to(files[ONE]), "linked", ["192.0.2.21"])
        host.note("linked elsewhere", lambda: link_to(files[OTHER]), "elsewhere", ["192.0.2.22"])
        put_in_place(RESOLV_CONF, nameserver("127.0.0.1"))
        host.until_ready_is("degraded", "this resolver alone")
        host.seen["asked with ourselves alone"] = host.ask("gone").rdata
        moatdns.hang_up()
        host.seen["asked after a reload"] = host.ask("reloaded").rdata
        host.seen["why after a reload"] = host.ready()["why"]
        host.note("back", lambda: put_in_place(RESOLV_CONF, nameserver("127.0.0.1") + nameserver(ONE)), "first",
                  ["192.0.2.21"])  # fmt: skip
        host.until_ready_is("ready", "ready again")
        host.seen["ours"] = [
            (address, bound)
            for address in ("127.0.0.99", OWN, FOREIGN, "::1", "fd00::53")
            for bound in ("0.0.0.0", "::", OWN)
            if is_ourselves(UpstreamServer("udp", address), [Listen(bound, 53)])
        ]
        host.seen["workers stay"] = workers == sorted(worker.pid for worker in moatdns.workers())
        host.seen["told"] = [event["event"] for event in moatdns.events if "resolv.conf" in event["event"]]
    sys.stdout.write(json.dumps(host.seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
