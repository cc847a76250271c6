"""A dnsmasq that knows no server: what it does not answer by its own config it refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import dns.exception
import dns.query

from tests.support.clients import query
from tests.support.programs import end, free_port, program, wait_until

_CONF = """\
no-resolv
no-hosts
no-daemon
pid-file=
user=root
listen-address=127.0.0.1
bind-interfaces
port={port}
"""


class Dnsmasq:
    """A running dnsmasq with these lines in its config. A context manager."""

    def __init__(self, folder: Path, lines: Iterable[str]) -> None:
        self.port = free_port()
        self._conf = folder / "dnsmasq.conf"
        self._conf.write_text(_CONF.format(port=self.port) + "\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Dnsmasq:
        self._process = subprocess.Popen(
            [program("dnsmasq"), "-k", "-C", str(self._conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "dnsmasq answers")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, "dnsmasq did not take its config"
        try:
            dns.query.udp(query("is.it.there."), "127.0.0.1", port=self.port, timeout=0.2)
        except (dns.exception.Timeout, OSError):
            return False
        return True
