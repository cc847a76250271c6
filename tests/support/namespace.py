"""A host of our own: a network namespace where a test may add addresses. Run as ``python -m tests.support.namespace``.

Inside, moatdns listens on all addresses; some of them come up only after its start. Each is asked over UDP by dig,
which takes no answer that leaves from another address, and over TCP. What dig says of each is printed as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.clients import dig
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, program

EARLY = ("198.51.100.7", "fd00:5e::7")  # there when moatdns starts
LATE = ("198.51.100.8", "fd00:5e::8")  # not there yet


def main(folder: Path) -> None:
    """Set the namespace up, ask every address, print what was answered."""
    command("link", "set", "lo", "up")
    for address in EARLY:
        add_address(address)
    port = free_port()
    config = {
        "listen": {"do53": [f"0.0.0.0:{port}", f"[::]:{port}"]},
        "clients": {"allow": ["0.0.0.0/0", "::/0"]},
        "upstream": {"servers": ["127.0.0.1:1"]},
        "workers": 2,
    }
    with Moatdns(folder, config) as moatdns:
        moatdns.port = port
        for address in LATE:
            add_address(address)
        hosts = ("127.0.0.1", "127.0.0.99", "::1", *EARLY, *LATE)
        answers = {host: [dig(port, "claude.ai", *how, host=host).rdata for how in ((), ("+tcp",))] for host in hosts}
    sys.stdout.write(json.dumps(answers))


def add_address(address: str) -> None:
    """Give loopback an address."""
    length = "128" if ":" in address else "32"
    command("address", "add", f"{address}/{length}", "dev", "lo", *(("nodad",) if ":" in address else ()))


def command(*arguments: str) -> None:
    """Run ip(8)."""
    subprocess.run([program("ip"), *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
