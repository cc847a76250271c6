"""Zones that nsd serves, one of them signed, and unbound as a resolver that validates what another one tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dns.exception
import dns.query

from tests.support.clients import LOCALHOST, query
from tests.support.programs import end, free_port, program, wait_until

ZONE = "signed.example"
_ALGORITHM = "ECDSAP256SHA256"
_TRUE, _FORGED = "192.0.2.66", "192.0.2.67"  # of the name `bogus`: what was signed, and what is told

_RECORDS = f"""\
$ORIGIN {ZONE}.
@       300 IN SOA ns hostmaster 1 3600 600 86400 60
@       300 IN NS  ns
ns      300 IN A   127.0.0.1
www     300 IN A   192.0.2.1
www     300 IN TXT "signed"
alias   300 IN CNAME www
*.wild  300 IN A   192.0.2.2
old     300 IN DNAME new
a.new   300 IN A   192.0.2.3
bogus   300 IN A   {_TRUE}
large   300 IN TXT "{"x" * 200}" "{"y" * 200}" "{"z" * 200}" "{"w" * 200}" "{"v" * 200}" "{"u" * 200}"
"""

_NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  pidfile: ""
  database: ""
  zonesdir: "{folder}"
  xfrdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
  round-robin: no
remote-control:
  control-enable: no
zone:
  name: "{zone}"
  zonefile: "{zone}.served"
"""

_PLAIN_ZONE = """\
zone:
  name: "{zone}"
  zonefile: "{zone}"
"""

_UNBOUND = """\
server:
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{folder}"
  do-daemonize: no
  use-syslog: no
  verbosity: 1
  val-log-level: 2
  interface: 127.0.0.1@{port}
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  num-threads: 1
  trust-anchor: "{anchor}"
  domain-insecure: "plain.example"
  local-zone: "example." nodefault
  local-zone: "home.arpa." nodefault
  local-zone: "10.in-addr.arpa." nodefault
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{forwarder}
"""


class Daemon:
    """A program on a port of its own, ended with the context."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)

    def run(self, name: str, conf: str, ready_name: str) -> None:
        """Start it with a config and wait until it answers."""
        path = self.folder / f"{name}.conf"
        path.write_text(conf)
        log_file = self.folder / f"{name}.log"
        with log_file.open("wb") as log:
            self._process = process = subprocess.Popen(
                [program(name), "-d", "-c", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

        def answers() -> bool:
            assert process.poll() is None, log_file.read_text()
            try:
                dns.query.udp(query(ready_name), LOCALHOST, port=self.port, timeout=0.2)
            except (dns.exception.Timeout, OSError):
                return False
            return True

        wait_until(answers, f"{name} in {self.folder} answers")

    @property
    def server(self) -> str:
        """As `upstream.servers` names it."""
        return f"udp://{LOCALHOST}:{self.port}"


def sign(folder: Path, zone: str, denial: str) -> list[str]:
    """Sign the zone file called `zone` into `zone.signed`. Gives the files of its keys, the KSK first."""
    keys = [_ldns(folder, "ldns-keygen", "-a", _ALGORITHM, *flags, zone) for flags in (["-k"], [])]
    _ldns(folder, "ldns-signzone", *(["-n"] if denial == "NSEC3" else []), zone, *keys)
    return keys


def _ldns(folder: Path, name: str, *arguments: str) -> str:
    done = subprocess.run(
        [program(name), *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Authority(Daemon):
    """nsd with one unsigned zone. A context manager."""

    def __init__(self, folder: Path, zone: str, records: str) -> None:
        """`records` are the zone file."""
        super().__init__(folder)
        self._zone = zone
        self._records = records

    def __enter__(self) -> Authority:
        (self.folder / f"{self._zone}.served").write_text(self._records)
        self.run("nsd", _NSD.format(port=self.port, folder=self.folder, zone=self._zone), self._zone)
        return self


class SignedZone(Daemon):
    """nsd with the zone, signed by ldns-signzone; one record was changed since. A context manager."""

    anchor = ""  # the DS record that a validating resolver is given, or the zone above has

    def __init__(self, folder: Path, denial: str = "NSEC", *, zone: str = ZONE, records: str = _RECORDS) -> None:
        """`denial` is how it proves that there is nothing: NSEC or NSEC3. `records` are lines of a zone file."""
        super().__init__(folder)
        self.denial = denial
        self.zone = zone
        self._records = records
        self.beside: dict[str, str] = {}  # unsigned zones that it serves too: records by name

    def __enter__(self) -> SignedZone:
        (self.folder / self.zone).write_text(self._records)
        keys = sign(self.folder, self.zone, self.denial)
        signed = (self.folder / f"{self.zone}.signed").read_text()
        (self.folder / f"{self.zone}.served").write_text(signed.replace(_TRUE, _FORGED))
        self.anchor = (self.folder / f"{keys[0]}.ds").read_text().strip().replace("\t", " ")
        conf = _NSD.format(port=self.port, folder=self.folder, zone=self.zone)
        for zone, records in self.beside.items():
            (self.folder / zone).write_text(records)
            conf += _PLAIN_ZONE.format(zone=zone)
        self.run("nsd", conf, self.zone)
        return self


class ValidatingUnbound(Daemon):
    """unbound that validates by a trust anchor, and asks the resolver on the port `forwarder`. A context manager."""

    def __init__(self, folder: Path, anchor: str, forwarder: int) -> None:
        super().__init__(folder)
        self._anchor = anchor
        self._forwarder = forwarder

    def __enter__(self) -> ValidatingUnbound:
        conf = _UNBOUND.format(folder=self.folder, port=self.port, anchor=self._anchor, forwarder=self._forwarder)
        self.run("unbound", conf, "localhost")
        return self
