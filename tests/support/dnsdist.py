"""A load balancer in front: dnsdist, which says in a PROXY header whose query it passes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dns.exception
import dns.query

from tests.support.clients import LOCALHOST, query
from tests.support.programs import end, free_port, program, wait_until

_CONF = """\
setLocal("{host}:{port}")
setACL({{"127.0.0.0/8"}})
setSecurityPollSuffix("")
newServer{{address="{host}:{behind}", source="{source}", useProxyProtocol=true, checkName="localhost."{more}}}
"""


class Dnsdist:
    """A running dnsdist before the port `behind`, which it asks from the address `source`. A context manager.

    `how` are further keys of newServer: how it asks. By UDP, unless they say otherwise.
    """

    def __init__(self, folder: Path, behind: int, *, source: str, how: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._folder = folder
        more = f", {how}" if how else ""
        self._conf = _CONF.format(host=LOCALHOST, port=self.port, behind=behind, source=source, more=more)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Dnsdist:
        conf = self._folder / "dnsdist.conf"
        conf.write_text(self._conf)
        with (self._folder / "dnsdist.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("dnsdist"), "--supervised", "--disable-syslog", "-C", str(conf)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._answers, f"dnsdist in {self._folder} answers")
        except BaseException:
            end(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self._folder / "dnsdist.log").read_text()
        try:
            dns.query.udp(query("localhost"), LOCALHOST, port=self.port, timeout=0.2)
        except (dns.exception.Timeout, OSError):
            return False
        return True
