"""Two people behind WireGuard whose addresses are swapped, `wireguard-leases` as its timer runs it, and moatdns itself.

``python -m tests.deploy.rigs.wireguard_people FOLDER IDENTITIES`` prints what log, statistics, reports, explain and a
log sink say of who asked before and after, as JSON, and which octets of the people's names are in the files.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.rigs.net import cable, clients, ip
from tests.deploy.rigs.wireguard import handshake, key_pair, run, tunnel, wg
from tests.support.lease_hooks import VPN, Gateway
from tests.support.log_collector import Collector
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, program, wait_until
from tests.support.unbound import Unbound

GATEWAY_TUNNEL = "moatppl0"
INSIDE = "10.9.0.1"  # the gateway's address in the tunnel, where moatdns answers
PORT = "51821"
PEOPLE = {"ana": "anastasia.delacruz@corp.example", "ben": "benedikt.okonkwo@corp.example"}
FIRST = {"ana": "10.9.0.2", "ben": "10.9.0.3"}
SWAPPED = {"ana": "10.9.0.3", "ben": "10.9.0.2"}
RECORDS = "claude.ai. 60 IN A 192.0.2.1\nchatgpt.com. 60 IN A 192.0.2.2\n"


@dataclass(frozen=True)
class Peer:
    """A person's device: the network that it is in, its tunnel and its public key."""

    name: str
    inside: Sequence[str]
    interface: str
    key: str

    def ask(self, *names: str) -> list[str]:
        """The addresses that it is answered, by the tunnel."""
        return [self._dig(name) for name in names]

    def _dig(self, name: str) -> str:
        words = [program("dig"), f"@{INSIDE}", "+short", "+tries=1", "+time=5", name]
        return subprocess.run([*self.inside, *words], capture_output=True, text=True, check=True).stdout.strip()


def main(folder: Path, identities: str) -> None:
    """Two people ask, their addresses are swapped, and they ask again."""
    ip("link", "set", "lo", "up")
    with ExitStack() as stack:
        upstream = stack.enter_context(Unbound(folder / "unbound", RECORDS))
        sink = stack.enter_context(Collector(folder / "sink", free_port()))
        peers = list(_peers(stack, folder))
        moatdns = Moatdns(folder / "moatdns", _config(upstream, sink, identities), with_api=True)
        moatdns.port, moatdns.admin_port = 53, free_port()
        with moatdns:
            told = _told(moatdns, peers, folder, sink)
        told["octets"] = _octets(moatdns, sink, json.dumps({**told, "answers": ""}).encode())
    json.dump(told, sys.stdout)


def _config(upstream: Unbound, sink: Collector, identities: str) -> dict[str, Any]:
    return {
        "listen": {"do53": [f"{INSIDE}:53"]},
        "workers": 2,
        "upstream": {"servers": [upstream.server]},
        "query_log": {"identities": identities, "clients": "pseudonym" if identities == "pseudonym" else "full"},
        "log_sinks": [{"to": sink.url, "insecure": True}],
    }


def _peers(stack: ExitStack, folder: Path) -> Iterator[Peer]:
    """The gateway's interface, and a device in a network of its own for each person."""
    gateway = key_pair(folder, "gateway")
    keys = {name: key_pair(folder, name) for name in PEOPLE}
    stack.enter_context(tunnel(GATEWAY_TUNNEL, []))
    wg("set", GATEWAY_TUNNEL, "listen-port", PORT, "private-key", str(folder / "gateway"))
    for number, name in enumerate(PEOPLE, 1):
        inside = stack.enter_context(clients())
        here, interface = f"10.7.{number}.1", f"moatppl{number}"
        cable(f"net{number}", "eth0", f"{here}/24", inside)
        run(*inside, program("ip"), "address", "add", f"10.7.{number}.2/24", "dev", "eth0")
        stack.enter_context(tunnel(interface, inside))
        away = ["peer", gateway, "endpoint", f"{here}:{PORT}", "allowed-ips", f"{INSIDE}/32"]
        wg("set", interface, "private-key", str(folder / name), *away, "persistent-keepalive", "1")
        wg("set", GATEWAY_TUNNEL, "peer", keys[name], "allowed-ips", f"{FIRST[name]}/32")
        run(*inside, program("ip"), "address", "add", f"{FIRST[name]}/24", "dev", interface)
        run(*inside, program("ip"), "link", "set", interface, "up")
        yield Peer(name, inside, interface, keys[name])
    ip("address", "add", f"{INSIDE}/24", "dev", GATEWAY_TUNNEL)
    ip("link", "set", GATEWAY_TUNNEL, "up")


def _told(moatdns: Moatdns, peers: Sequence[Peer], folder: Path, sink: Collector) -> dict[str, Any]:
    api = moatdns.api
    token = api.call("POST", "/api/v1/tokens", {"name": "gateway", "owner": "vpn", "roles": ["lease"]})
    assert token.status == 201, token.body
    devices = "".join(f"{peer.key} {PEOPLE[peer.name]}\n" for peer in peers)
    hooks = folder / "hooks"
    hooks.mkdir()
    gateway = Gateway(hooks, f"http://127.0.0.1:{moatdns.admin_port}", devices=devices)
    gateway.token_file.write_text(token.body["token"] + "\n")
    wanted = {
        "subject": {"identity": PEOPLE["ana"]},
        "scope": ["anthropic"],
        "owner": "it@corp.example",
        "reason": "a trial",
        "duration_seconds": 3600,
    }
    made = api.call("POST", "/api/v1/exemptions", wanted)
    assert made.status == 201, made.body

    def leased(where: dict[str, str]) -> None:
        for peer in peers:
            wait_until(lambda peer=peer: handshake(GATEWAY_TUNNEL, peer.key) > 0, f"{peer.name}'s handshake")
        ran = gateway.run(VPN / "wireguard-leases", "set", GATEWAY_TUNNEL)
        assert ran.returncode == 0, ran.stderr
        held = {where[name]: PEOPLE[name] for name in PEOPLE}
        wait_until(lambda: _leases(moatdns) == held, f"leases as {held}")

    leased(FIRST)
    answers = {"before": {peer.name: peer.ask("claude.ai", "chatgpt.com") for peer in peers}}
    _swap(peers)
    leased(SWAPPED)
    answers["after"] = {peer.name: peer.ask("claude.ai", "chatgpt.com") for peer in peers}
    wait_until(lambda: len(api.get("queries")["items"]) == 8, "eight rows of the log")
    wait_until(lambda: len(_queries(sink)) == 8, "eight rows at the log sink")
    return {
        "answers": answers,
        "log": api.get("queries")["items"],
        "sink": _queries(sink),
        "usage": api.get("reports/usage?by=identity,vendor&reason=a+test")["items"],
        "usage as CSV": api.call("GET", "/api/v1/reports/usage?by=identity,vendor&format=csv&reason=a+test").body,
        "top": api.get("stats/top?by=identity&reason=a+test")["items"],
        "top clients": api.get("stats/top?by=client&reason=a+test")["items"],
        "uses": [[item["uses"], item["uses_by"]] for item in api.get("reports/exemptions?reason=a+test")["items"]],
        "metrics": api.call("GET", "/metrics").body,
    }


def _swap(peers: Sequence[Peer]) -> None:
    for peer in peers:  # an address that a peer is given is taken from the other
        wg("set", GATEWAY_TUNNEL, "peer", peer.key, "allowed-ips", f"{SWAPPED[peer.name]}/32")
    for peer in peers:
        run(*peer.inside, program("ip"), "address", "flush", "dev", peer.interface)
        run(*peer.inside, program("ip"), "address", "add", f"{SWAPPED[peer.name]}/24", "dev", peer.interface)


def _leases(moatdns: Moatdns) -> dict[str, str]:
    return {item["address"]: item["identity"] for item in moatdns.api.get("leases")["items"]}


def _queries(sink: Collector) -> list[dict[str, Any]]:
    return [row for row in sink.rows() if row["event"]["dataset"] == "moatdns.queries"]


def _octets(moatdns: Moatdns, sink: Collector, told: bytes) -> list[str]:
    """Parts of names and addresses that are in what was recorded, once the server has ended; leases have them all."""
    places = [path for name in ("query-log", "counters") for path in (moatdns.state_dir / name).rglob("*")]
    recorded = b"".join(path.read_bytes() for path in places if path.is_file())
    with closing(sqlite3.connect(moatdns.state_dir / "moatdns.sqlite")) as store:
        for table in ("stats_rollup", "stats_clients", "counter_files"):
            recorded += repr(store.execute(f"SELECT * FROM {table}").fetchall()).encode()
        totals = store.execute("SELECT body FROM documents WHERE name = 'metrics_totals'").fetchall()
    assert places
    assert totals
    recorded += repr(totals).encode() + told + json.dumps(_queries(sink)).encode()
    parts = [part for name in PEOPLE.values() for part in (name, *name.partition("@")[0].split("."))]
    return [part for part in (*parts, *FIRST.values()) if part.encode() in recorded]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
