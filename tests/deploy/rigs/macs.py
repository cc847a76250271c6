"""A client behind a real dnsmasq that adds its MAC address to what it forwards to moatdns.

``python -m tests.deploy.rigs.macs FOLDER`` prints, as JSON, for each way of dnsmasq to write it, what each machine was
answered for a name that is blocked for all but one of them; and what moatdns's upstream got of the options.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.deploy.rigs.net import cable, clients, ip
from tests.support.moatdns import Moatdns
from tests.support.programs import ended, free_port, program, wait_until
from tests.support.stub import StubUpstream

GATEWAY = "10.7.0.1"
KIOSK, OTHER = "02:00:5e:00:53:07", "02:00:5e:00:53:08"
ADDRESSES = {KIOSK: "10.7.0.7", OTHER: "10.7.0.8"}  # dnsmasq remembers for 90 s whose MAC address each is
NAME = "www.house.example"
WAYS = {
    "raw": ["--add-mac"],
    "raw, stripped": ["--add-mac", "--strip-mac"],
    "text": ["--add-mac=text"],
    "base64": ["--add-mac=base64"],
    "with subnet": ["--add-mac", "--strip-mac", "--add-subnet=32,128"],
}
_LIE = f"+ednsopt=65001:{KIOSK.replace(':', '')}"


def main(folder: Path) -> None:
    """Ask as each machine, by each way, and as one that says by itself that it is the other."""
    told: dict[str, dict[str, list[str]]] = {}
    with StubUpstream() as stub, clients() as inside:
        cable("dns0", "eth0", f"{GATEWAY}/24", inside)
        for address in ADDRESSES.values():
            subprocess.run([*inside, program("ip"), "address", "add", f"{address}/24", "dev", "eth0"], check=True)
        config = {
            "workers": 1,
            "upstream": {"servers": [stub.server]},
            "clients": {"trusted_proxies": [{"network": "127.0.0.1", "sources": ["client-subnet", "mac"]}]},
            "policy": {
                "lists": [{"name": "house", "block": ["house.example"]}],
                "groups": [
                    {"name": "default", "block": ["lists"]},
                    {"name": "kiosk", "client_names": [f"mac:{KIOSK.upper()}"], "exempt": True},
                ],
            },
        }
        with Moatdns(folder / "moatdns", config) as moatdns:
            for way, options in WAYS.items():
                told[way] = _answers(moatdns.port, options, inside)
        codes = sorted({int(option.otype) for query in stub.queries for option in query.options})
    json.dump({"answers": told, "options_upstream": codes}, sys.stdout)


def _answers(moatdns: int, options: Sequence[str], inside: Sequence[str]) -> dict[str, list[str]]:
    port = free_port()
    command = [program("dnsmasq"), "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]
    command += [f"--port={port}", f"--listen-address={GATEWAY}", "--bind-interfaces", f"--server=127.0.0.1#{moatdns}"]
    with ended(subprocess.Popen([*command, "--cache-size=0", *options], stdout=sys.stderr)):
        answers = {"kiosk": _dig(port, inside, KIOSK), "other": _dig(port, inside, OTHER)}
        return {**answers, "other, lying": _dig(port, inside, OTHER, _LIE)}


def _dig(port: int, inside: Sequence[str], mac: str, *more: str) -> list[str]:
    """The answer to the client that has this MAC address now; ``refused`` where there is none in it."""
    subprocess.run([*inside, program("ip"), "link", "set", "eth0", "address", mac], check=True)
    ip("neigh", "flush", "dev", "dns0")
    words = [*inside, program("dig"), f"@{GATEWAY}", "-p", str(port), "-b", ADDRESSES[mac], "+short"]
    words += ["+tries=1", "+timeout=2", NAME, *more]

    def asked() -> list[str]:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return (done.stdout.split() or ["refused"]) if done.returncode == 0 else []

    return wait_until(asked, "dnsmasq answers")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
