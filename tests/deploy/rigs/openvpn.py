"""An OpenVPN server whose clients' leases are set by learn-address, while moatdns's API hangs at first.

``python -m tests.deploy.rigs.openvpn FOLDER`` prints how long the client took to connect, what it could do while the
API hung, and the calls that the API got, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import trustme

from tests.deploy.rigs.net import cable, clients
from tests.support.lease_api import LeaseApi
from tests.support.lease_hooks import VPN, Gateway
from tests.support.programs import end, ended, program, wait_until

SERVER = "10.7.0.1"
_READY = "Initialization Sequence Completed"


def main(folder: Path) -> None:
    """A client comes while the API hangs, is renewed, and goes."""
    with LeaseApi() as api, clients() as inside:
        gateway = Gateway(folder, api.url, devices="alice alice@example.com staff\n")
        cable("net0", "eth0", f"{SERVER}/24", inside)
        subprocess.run([*inside, program("ip"), "address", "add", "10.7.0.2/24", "dev", "eth0"], check=True)
        _certificates(folder)
        with _server(folder, gateway) as server:
            api.hang = True
            started = time.monotonic()
            with _client(folder, inside):
                seconds = time.monotonic() - started
                wait_until(lambda: api.calls, "the API is called")
                reached = _reach_the_server(inside)
                calls_while_hanging = len(api.calls)
                api.hang = False
                api.go_on.set()
                wait_until(lambda: len(api.calls) == 2, "both addresses are leased")
                status = folder / "status"
                wait_until(lambda: "ROUTING_TABLE,10.8.0" in status.read_text(), "the client is in the status file")
                anew = folder / "anew"  # a gateway that remembers nothing, so that all are due
                anew.mkdir()
                Gateway(anew, api.url).run(VPN / "openvpn-learn-address", "renew", str(status))
                wait_until(lambda: len(api.calls) == 4, "both leases are renewed")
                # A client's exit is told only after five to fifteen seconds; that of the server tells it at once.
                end(server)
                wait_until(lambda: len(api.calls) == 6, "both leases have ended")
    told = {"seconds": seconds, "reached": reached, "calls_while_hanging": calls_while_hanging, "calls": api.calls}
    json.dump(told, sys.stdout)


def _certificates(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("gateway", "alice"):
        authority.issue_cert(common_name=name).private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")


def _reach_the_server(inside: list[str]) -> bool:
    """Whether the client can open a connection through the tunnel."""
    with socket.create_server(("10.8.0.1", 0)) as listener:
        connect = f"import socket; socket.create_connection(('10.8.0.1', {listener.getsockname()[1]}), 5)"
        return subprocess.run([*inside, sys.executable, "-c", connect], check=False).returncode == 0


def _common(folder: Path, name: str) -> list[str]:
    pem = str(folder / f"{name}.pem")
    options = ["--dev", "tun", "--proto", "udp4", "--ca", str(folder / "ca.pem"), "--cert", pem, "--key", pem]
    return [*options, "--verb", "3", "--log", str(folder / f"{name}.log")]


@contextlib.contextmanager
def _server(folder: Path, gateway: Gateway) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--local", SERVER, "--topology", "subnet", "--server", "10.8.0.0", "255.255.255.0", "--dh", "none"]
    options += ["--server-ipv6", "fd00:8::/64", "--script-security", "2", "--status", str(folder / "status"), "1"]
    options += ["--status-version", "2", "--keepalive", "5", "20"]
    options += ["--learn-address", str(gateway.wrapper(VPN / "openvpn-learn-address"))]
    with ended(subprocess.Popen([program("openvpn"), *_common(folder, "gateway"), *options])) as server:
        _wait_for_log(folder / "gateway.log")
        yield server


@contextlib.contextmanager
def _client(folder: Path, inside: list[str]) -> Iterator[None]:
    options = ["--client", "--remote", SERVER, "--nobind"]
    with ended(subprocess.Popen([*inside, program("openvpn"), *_common(folder, "alice"), *options])):
        _wait_for_log(folder / "alice.log")
        yield


def _wait_for_log(log: Path) -> None:
    wait_until(lambda: log.exists() and _READY in log.read_text(), f"{log.name}: {_READY}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
