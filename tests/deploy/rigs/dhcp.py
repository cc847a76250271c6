"""A DHCP client that gets its address from dnsmasq or from Kea, says who it is, and gives it back.

``python -m tests.deploy.rigs.dhcp FOLDER dnsmasq|kea-dhcp4`` prints, as JSON, the calls that moatdns's API got, and the
host names in the server's lease file while the client has its address.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from admin_api.host_names.files import DHCP as DHCP_LEASES
from admin_api.host_names.files import HostFile
from tests.deploy.rigs.net import cable, clients
from tests.support.lease_api import LeaseApi
from tests.support.lease_hooks import DHCP, Gateway
from tests.support.programs import ended, program, wait_until

SERVER = "10.7.0.1"
POOL = ("10.7.0.100", "10.7.0.110")
MAC = "02:00:5e:00:53:07"
_RUN_SCRIPT = "kea/hooks/libdhcp_run_script.so"


def main(folder: Path, server: str) -> None:
    """One exchange of each kind, told as the API saw it."""
    with LeaseApi() as api, clients() as inside:
        gateway = Gateway(folder, api.url, devices=f"{MAC.upper()} alice staff\n")
        cable("dhcp0", "eth0", f"{SERVER}/24", inside)
        subprocess.run([*inside, program("ip"), "link", "set", "eth0", "address", MAC], check=True)
        with {"dnsmasq": _dnsmasq, "kea-dhcp4": _kea}[server](folder, gateway):
            client = [*inside, program("udhcpc"), "-i", "eth0", "-f", "-R", "-t", "20", "-T", "1", "-A", "1"]
            with ended(subprocess.Popen([*client, "-s", str(_applying(folder)), "-x", "hostname:laptop"])):
                wait_until(lambda: len(api.calls) == 1, "the lease that was given is set")
                lease_file = HostFile(DHCP_LEASES, str(folder / "leases"))
                wait_until(lambda: lease_file.read(most=10, most_bytes=1 << 20).names, "the lease is in the file")
                names = lease_file.read(most=10, most_bytes=1 << 20).names
                # It gives the address back as it ends.
            wait_until(lambda: len(api.calls) == 2, "the lease that was given back has ended")
    told = {address: [name.name, name.until is not None] for address, name in names.items()}
    json.dump({"calls": api.calls, "host_names": told}, sys.stdout)


@contextlib.contextmanager
def _dnsmasq(folder: Path, gateway: Gateway) -> Iterator[None]:
    options = ["--no-daemon", "--port=0", "--conf-file=/dev/null", "--interface=dhcp0", "--bind-interfaces"]
    options += [f"--dhcp-range={','.join(POOL)},300", f"--dhcp-leasefile={folder / 'leases'}", "--user=root"]
    options += ["--no-ping", "--script-on-renewal", f"--dhcp-script={gateway.wrapper(DHCP / 'dnsmasq-lease-hook')}"]
    with ended(subprocess.Popen([program("dnsmasq"), *options])):
        yield


@contextlib.contextmanager
def _kea(folder: Path, gateway: Gateway) -> Iterator[None]:
    library = next(Path("/usr/lib").glob(f"*/{_RUN_SCRIPT}"))
    script = {"name": str(gateway.wrapper(DHCP / "kea-lease-hook")), "sync": False}
    config = {
        "interfaces-config": {"interfaces": ["dhcp0"]},
        "lease-database": {"type": "memfile", "name": str(folder / "leases")},
        "valid-lifetime": 300,
        "subnet4": [{"subnet": "10.7.0.0/24", "pools": [{"pool": " - ".join(POOL)}]}],
        "hooks-libraries": [{"library": str(library), "parameters": script}],
        "loggers": [{"name": "kea-dhcp4", "output_options": [{"output": "stderr"}], "severity": "ERROR"}],
    }
    file = folder / "kea.json"
    file.write_text(json.dumps({"Dhcp4": config}))
    places = dict.fromkeys(("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR"), str(folder))
    with ended(subprocess.Popen([program("kea-dhcp4"), "-c", str(file)], env=os.environ | places, stdout=sys.stderr)):
        yield


def _applying(folder: Path) -> Path:
    """What udhcpc calls to put its address on the interface, without which it could not give it back."""
    script = folder / "apply"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && ip address add "$ip/24" dev "$interface"\nexit 0\n')
    script.chmod(0o755)
    return script


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
