"""A WireGuard interface with one peer in use and one that never came; `wireguard-leases` is run as its timer does.

``python -m tests.deploy.rigs.wireguard FOLDER`` prints the calls that moatdns's API got in each step, as JSON. The
tunnels are wireguard-go's, so that no kernel module is needed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.deploy.rigs.net import cable, clients, ip
from tests.support.lease_api import LeaseApi
from tests.support.lease_hooks import VPN, Gateway
from tests.support.programs import end, ended, program, wait_until

SERVER = "10.7.0.1"
PORT = "51820"
GATEWAY_TUNNEL = "moatwg0"
CLIENT_TUNNEL = "moatwg1"
_ALICE = "10.9.0.2/32,fd00:9::2/128,192.168.77.0/24"


def main(folder: Path) -> None:
    """The life of an interface, step by step."""
    keys = {name: key_pair(folder, name) for name in ("gateway", "alice", "bob")}
    steps: dict[str, list[object]] = {}
    with LeaseApi() as api, clients() as inside:
        devices = f"{keys['alice']} alice staff\n{keys['bob']} bob\n"
        gateway = Gateway(folder, api.url, devices=devices)

        def step(name: str, action: str, calls: int) -> None:
            before = len(api.calls)
            ran = gateway.run(VPN / "wireguard-leases", action, GATEWAY_TUNNEL)
            wait_until(lambda: gateway.waiting() == 0 and len(api.calls) >= before + calls, name)
            steps[name] = [api.calls[before:], ran.stderr]

        cable("net0", "eth0", f"{SERVER}/24", inside)
        run(*inside, program("ip"), "address", "add", "10.7.0.2/24", "dev", "eth0")
        with tunnel(GATEWAY_TUNNEL, []) as server, tunnel(CLIENT_TUNNEL, inside):
            own = ["set", GATEWAY_TUNNEL, "listen-port", PORT, "private-key", str(folder / "gateway")]
            peers = ["peer", keys["alice"], "allowed-ips", _ALICE, "peer", keys["bob"], "allowed-ips", "10.9.0.3/32"]
            wg(*own, *peers)
            ip("address", "add", "10.9.0.1/24", "dev", GATEWAY_TUNNEL)
            ip("link", "set", GATEWAY_TUNNEL, "up")
            step("up", "set", 0)
            run(*inside, program("ip"), "link", "set", CLIENT_TUNNEL, "up")
            away = ["peer", keys["gateway"], "endpoint", f"{SERVER}:{PORT}", "allowed-ips", "10.9.0.0/24"]
            wg("set", CLIENT_TUNNEL, "private-key", str(folder / "alice"), *away, "persistent-keepalive", "1")
            wait_until(lambda: handshake(GATEWAY_TUNNEL, keys["alice"]) > 0, "alice's handshake")
            step("in use", "set", 1)
            step("again", "set", 0)
            wg("set", GATEWAY_TUNNEL, "peer", keys["alice"], "allowed-ips", "10.9.0.4/32")
            step("config changed", "set", 2)
            end(server)
            step("down", "end", 1)
    json.dump(steps, sys.stdout)


def key_pair(folder: Path, name: str) -> str:
    """Make a private key in a file; gives the public key."""
    key = subprocess.run([program("wg"), "genkey"], capture_output=True, check=True).stdout
    (folder / name).write_bytes(key)
    (folder / name).chmod(0o600)
    return subprocess.run([program("wg"), "pubkey"], input=key, capture_output=True, check=True).stdout.decode().strip()


@contextlib.contextmanager
def tunnel(name: str, inside: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """An interface of wireguard-go's, in the network that the words before its command lead to."""
    with ended(subprocess.Popen([*inside, program("wireguard-go"), "--foreground", name])) as process:
        wait_until(lambda: Path(f"/var/run/wireguard/{name}.sock").exists(), f"{name} is there")
        yield process


def handshake(interface: str, key: str) -> int:
    """When a peer's device shook hands last, in Unix seconds; 0 for never."""
    told = subprocess.run(
        [program("wg"), "show", interface, "latest-handshakes"], capture_output=True, text=True, check=True
    )
    return next(int(line.split()[1]) for line in told.stdout.splitlines() if line.startswith(key))


def wg(*words: str) -> None:
    """The `wg` command, which must do it."""
    run(program("wg"), *words)


def run(*words: str) -> None:
    """A command, which must do it."""
    subprocess.run(words, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
