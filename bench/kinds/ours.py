"""moatdns itself, by the interpreter that it is installed for."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import yaml

from bench.datagrams import GROUPS, network_of
from bench.kinds.job import CACHE_MIB, Job, Log, Server
from bench.ways import Ports

MOATDNS = "moatdns"
_CONNECTIONS_A_CLIENT = 1000  # all come from one address, as from behind one NAT


def server(
    what: str = "", *, log: Log = Log.HITS, workers: int = 1, python: str | None = None, unlisted: bool = False
) -> Server:
    """Ours, with `what` in its name where it is not as it comes."""
    command = functools.partial(_command, log=log, workers=workers, python=python or sys.executable, unlisted=unlisted)
    return Server(", ".join(filter(None, (MOATDNS, what))), MOATDNS, command, log)


def _command(job: Job, ports: Ports, folder: Path, *, log: Log, workers: int, python: str, unlisted: bool) -> list[str]:
    config: dict[str, Any] = {
        "listen": {"do53": [f"127.0.0.1:{ports.do53}"]},
        "clients": {"queries_per_second": 0},  # all load comes from few addresses
        "workers": workers,
        "state_dir": str(folder / "state"),
        "admin": {"listen": None},  # its port is one only, and several servers run beside each other
        "upstream": {"servers": [f"udp://127.0.0.1:{job.upstream_port}"]},
        "cache": {"max_mib": CACHE_MIB},
        "query_log": {"enabled": log is not Log.NONE, "what": "all" if log is Log.ALL else "hits"},
        **({"unlisted": {"enabled": True}} if unlisted else {}),
        "policy": {
            "lists": [{"name": "house", "block": list(job.listed)}] if job.listed else [],
            "groups": [
                {"name": "default", "block": ["ai", "bypass", "lists"]},
                # As many policies as groups, which answer alike, since the peers have one for all.
                *(
                    {"name": f"group-{number}", "networks": [network_of(number)], "block": ["ai", "bypass", "lists"]}
                    for number in range(GROUPS)
                ),
            ],
        },
    }
    if job.tls:
        config["listen"] |= {"dot": [f"127.0.0.1:{ports.dot}"], "doh": [f"127.0.0.1:{ports.doh}"]}
        config["tls"] = {"certificate": str(job.tls.certificate), "private_key": str(job.tls.private_key)}
        config["tls"]["workers"] = workers
    path = folder / "moatdns.yaml"
    path.write_text(yaml.dump(config, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
    return [str(Path(python).parent / "moatdns"), "serve", "--config", str(path)]
