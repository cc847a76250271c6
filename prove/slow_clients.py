"""Thousands of clients that keep connections open and say next to nothing: plain DNS and honest clients do not feel it.

A third of them drip octets of a query over TCP; a third speak TLS, half of them stuck in the handshake; a third drip
octets of an HTTP request. Each comes back two seconds after it was ended.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from prove.dnsperf import dnsperf
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.honest_clients import HonestClients
from prove.queries import in_turn, mixed, write_for_dnsperf
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.encrypted import Certificates
from tests.support.programs import end

WHAT = "thousands of clients that are slow on purpose, over TCP, TLS and HTTPS"
_ROOT = Path(__file__).parents[1]
_OPEN = [f"open-{number}.example" for number in range(100)]
_BLOCKED = ["claude.ai", "api.openai.com"]
_MOST_P99_MS = 20
_MOST_LOST_PERCENT = 0.1  # a new connection may be taken for a silent one; its client comes again
_CHECKED_PER_SECOND = 200
_BOUNDS = ("tls_handshake_seconds", "tls_handshakes", "tcp_idle_seconds", "tcp_connections")


@dataclass(frozen=True, slots=True)
class SlowClientsEffort:
    """Size of a run: the full one, or a short look."""

    of_each: int
    seconds: float
    queries_per_second: int
    patience_seconds: float | None = None  # of the server with silent clients; None: its defaults


FULL = SlowClientsEffort(of_each=1000, seconds=40.0, queries_per_second=5000)
SHORT = SlowClientsEffort(of_each=60, seconds=3.0, queries_per_second=500, patience_seconds=1.0)


def run(effort: SlowClientsEffort, folder: Path) -> list[Figure]:
    """Ask alone, then with slow clients beside."""
    write_for_dnsperf(names := folder / "queries", [*_OPEN, *_BLOCKED])
    queries = mixed(in_turn(_BLOCKED), in_turn(_OPEN))
    certificates = Certificates(folder / "certificates")
    with Upstream(folder / "upstream") as upstream:
        limits = {}
        if effort.patience_seconds is not None:
            limits = dict.fromkeys(("tcp_idle_seconds", "tls_handshake_seconds"), effort.patience_seconds)
        config = {"workers": 2, "limits": limits, "upstream": {"servers": [upstream.server]}}
        with Service(folder / "moatdns", config, certificates=certificates) as service:
            with Steady(service.port, queries, _CHECKED_PER_SECOND) as calm:
                time.sleep(effort.seconds / 8)
            with (
                dnsperf(service.port, names, effort.queries_per_second) as load,
                SlowClients(service, effort.of_each) as slow,
                Steady(service.port, queries, _CHECKED_PER_SECOND) as busy,
                HonestClients(service) as honest,
            ):
                time.sleep(effort.seconds)
            counts = service.counts()
        troubles = len(service.troubles)
    assert load.load
    ended = sum(counts.get(name, 0) for name in _BOUNDS)
    return [
        told("slow clients", 3 * effort.of_each),
        at_least("connections of theirs open at once", slow.most_open, effort.of_each),
        told("times that one of them was ended", slow.ended),
        at_least("– by bounds on handshakes, silence and connections, as counted", ended, 1),
        told("UDP queries meanwhile", load.load.sent),
        exactly("lost of them", load.load.lost, 0),
        exactly("lost of the checked ones", len(busy.lost), 0),
        told("p99 without slow clients", calm.percentile_ms(0.99), "ms"),
        at_most("p99 meanwhile", busy.percentile_ms(0.99), _MOST_P99_MS, "ms"),
        told("queries of honest clients by DoT and DoH, most on new connections", honest.asked),
        at_most("not answered of them", 100 * len(honest.lost) / max(honest.asked, 1), _MOST_LOST_PERCENT, "%"),
        exactly("unexpected errors", troubles, 0),
    ]


class SlowClients:
    """So many of each kind, in a process of their own, while the context lasts; then the counts tell."""

    def __init__(self, service: Service, of_each: int) -> None:
        assert service.certificates
        self.ended = 0
        self.most_open = 0
        behaviour = {
            "of_each": of_each,
            "authority": str(service.certificates.authority),
            "do53": service.port,
            "dot": service.dot_port,
            "doh": service.doh_port,
        }
        self._command = [sys.executable, "-m", "prove.slow_clients_program", json.dumps(behaviour)]

    def __enter__(self) -> SlowClients:
        self._process = subprocess.Popen(self._command, cwd=_ROOT, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdout
        end(self._process)
        with self._process.stdout as said:
            counts = json.loads(said.read() or '{"ended": 0, "most_open": 0}')
        self.ended, self.most_open = counts["ended"], counts["most_open"]
