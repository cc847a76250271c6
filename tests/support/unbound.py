"""An upstream as companies have one: unbound, which resolves names of a zone file that holds the whole little world.

The zone is the root. unbound looks its names up as on the Internet and follows CNAMEs anywhere, without a network. TTLs
do not count down there: what a test hears is not how long ago another one asked.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import dns.exception
import dns.query

from tests.support.clients import query
from tests.support.encrypted import Certificates
from tests.support.programs import end, free_port, program, wait_until

_HEAD = """\
. 3600 IN SOA the-server.of-the-root. host.of-the-root. 1 2 3 4 {negative_ttl}
. 3600 IN NS the-server.of-the-root.
the-server.of-the-root. 3600 IN A 127.0.0.1
"""

_ENCRYPTED = """\
server:
  interface: 127.0.0.1@{dot}
  interface: 127.0.0.1@{doh}
  tls-port: {dot}
  https-port: {doh}
  tls-service-pem: "{certificate}"
  tls-service-key: "{private_key}"
"""

_CONF = """\
server:
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{folder}"
  do-daemonize: no
  use-syslog: no
  verbosity: 1
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  num-threads: 1
  minimal-responses: yes
  serve-original-ttl: yes
  rrset-roundrobin: no
  local-zone: "example." nodefault
  local-zone: "invalid." nodefault
  local-zone: "test." nodefault
remote-control:
  control-enable: no
auth-zone:
  name: "."
  zonefile: "zone"
  for-upstream: yes
  for-downstream: no
  fallback-enabled: no
"""


class Unbound:
    """A running unbound that knows `records` (lines of a zone file, names with the last dot). A context manager."""

    def __init__(
        self,
        folder: Path,
        records: str,
        *,
        negative_ttl: int = 30,
        certificates: Certificates | None = None,
        more: str = "",
    ) -> None:
        """With `certificates` it also serves DoT and DoH, on `dot_port` and `doh_port`; `more` goes into its config."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = self.dot_port = self.doh_port = 0
        self._certificates = certificates
        self._more = more
        self._records = _HEAD.format(negative_ttl=negative_ttl) + records
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Unbound:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """As `upstream.servers` names it."""
        return f"udp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it on a port of its own, or on that of an earlier start, and wait until it answers."""
        self.port = self.port or free_port()
        (self.folder / "zone").write_text(self._records)
        conf = self.folder / "unbound.conf"
        text = _CONF.format(folder=self.folder, port=self.port)
        if self._certificates is not None:
            self.dot_port, self.doh_port = self.dot_port or free_port(), self.doh_port or free_port()
            text += _ENCRYPTED.format(
                dot=self.dot_port,
                doh=self.doh_port,
                certificate=self._certificates.certificate,
                private_key=self._certificates.private_key,
            )
        text += self._more
        conf.write_text(text)
        with (self.folder / "unbound.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("unbound"), "-d", "-c", str(conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._answers, f"unbound in {self.folder} answers")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self.folder / "unbound.log").read_text()
        try:
            dns.query.udp(query("the-server.of-the-root."), "127.0.0.1", port=self.port, timeout=0.2)
        except (dns.exception.Timeout, OSError):
            return False
        return True
