"""The certificate is changed by SIGHUP, again and again, under a load over DoT and DoH: no client notices."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prove.figures import Figure, at_least, exactly, told
from prove.honest_clients import HonestClients
from prove.service import Service
from prove.upstream import Upstream
from tests.support.encrypted import Certificates, serial_shown
from tests.support.programs import wait_until

WHAT = "the certificate is changed by SIGHUP under a load over DoT and DoH"


@dataclass(frozen=True, slots=True)
class CertificatesEffort:
    """Size of a run: the full one, or a short look."""

    changes: int


FULL = CertificatesEffort(changes=10)
SHORT = CertificatesEffort(changes=2)


def run(effort: CertificatesEffort, folder: Path) -> list[Figure]:
    """Change it, and wait until new clients see the new one."""
    certificates = Certificates(folder / "certificates")
    seconds = []
    with Upstream(folder / "upstream") as upstream:
        config = {"workers": 1, "upstream": {"servers": [upstream.server]}}
        with Service(folder / "moatdns", config, certificates=certificates) as service:
            ports = (service.dot_port, service.doh_port)
            workers = service.worker_pids()
            shown = {serial_shown(certificates, port) for port in ports}
            with HonestClients(service) as honest:
                for _ in range(effort.changes):
                    before = serial_shown(certificates, ports[0])
                    certificates.renew()
                    began = time.monotonic()
                    service.hang_up()
                    wait_until(partial(_all_differ, certificates, ports, before), "the new one")
                    seconds.append(time.monotonic() - began)
                    shown.add(serial_shown(certificates, ports[1]))
            replaced = len(set(workers) - set(service.worker_pids()))
        troubles = len(service.troubles)
    return [
        exactly("certificates that clients saw, the first included", len(shown), effort.changes + 1),
        at_least("queries by DoT and DoH meanwhile", honest.asked, 20 * effort.changes),
        exactly("not answered of them", len(honest.lost), 0),
        exactly("workers replaced", replaced, 0),
        told("from the signal to the new certificate, longest", max(seconds), "s"),
        exactly("unexpected errors", troubles, 0),
    ]


def _all_differ(certificates: Certificates, ports: Sequence[int], before: str) -> bool:
    return all(serial_shown(certificates, port) != before for port in ports)
