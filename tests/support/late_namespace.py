"""A host of our own where one address comes up after moatdns. Run as ``python -m tests.support.late_namespace FOLDER``.

moatdns starts as root with `user`, so that it may bind no port below 1024 by the time the addresses are there. Printed
as JSON: what was answered before, on loopback, and after, by each door on the late addresses.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from pathlib import Path
from typing import Any

from tests.support.clients import dig, kdig
from tests.support.encrypted import Certificates
from tests.support.lesser_user import RootStarted
from tests.support.namespace import add_address, command
from tests.support.programs import wait_until

LATE = ("198.51.100.8", "fd00:5e::8")


def main(folder: Path) -> None:
    """Set the namespace up, ask before and after, print what was answered."""
    command("link", "set", "lo", "up")
    certificates = Certificates(folder / "certificates")
    certificates.private_key.chmod(0o644)
    four, six = LATE
    config: dict[str, Any] = {
        "listen": {
            "do53": ["127.0.0.1:53", f"{four}:53", f"[{six}]:53", "[fe80::1%eth9]:53"],
            "dot": [f"{four}:853"],
            "doh": [f"[{six}]:443"],
        },
        "tls": certificates.section,
        "clients": {"allow": ["0.0.0.0/0", "::/0"]},
        "upstream": {"servers": ["udp://127.0.0.1:9"]},
        "admin": {"listen": f"{four}:8053", "insecure": True},
        "block_page": {"listen": [f"{four}:80"]},
    }
    server = RootStarted(folder / "moatdns", config)
    with server:
        early = dig(53, "claude.ai").rdata
        missing = sorted(event["address"] for event in server.events_named(_MISSING))
        notes = [event["event"] for event in server.events if "eth9" in event["event"]]
        for address in LATE:
            add_address(address)
        late = [dig(53, "claude.ai", *how, host=host).rdata for host in LATE for how in ((), ("+tcp",))]
        late += [kdig(853, "claude.ai", "+tls", host=four).rdata, kdig(443, "claude.ai", "+https", host=six).rdata]
        wait_until(lambda: len(server.events_named(_COME)) == len(missing), "that all have come")
        web = [_answers(four, port) for port in (8053, 80)]
    sys.stdout.write(json.dumps({"early": early, "missing": missing, "notes": notes, "late": late, "web": web}))


_MISSING = "this host does not have an address that is listened on"
_COME = "an address that is listened on is there by now"


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 10) as one:
        one.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return one.recv(9) == b"HTTP/1.1 "
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
