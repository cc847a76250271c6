"""Upstreams by DoT and DoH, as companies have them: unbound, dnsdist, Knot Resolver and NSD, with a CA of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.rcode
import pytest

from tests.conftest import WORLD, StartMoatdns
from tests.support.clients import LOCALHOST, ask, dig, ede, rdata
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, ended, free_port, program, wait_until
from tests.support.unbound import Unbound

_DNSDIST = """\
setLocal("127.0.0.1:{port}")
setACL({{"127.0.0.0/8"}})
setSecurityPollSuffix("")
newServer{{address="127.0.0.1:{behind}", checkName="localhost."}}
addTLSLocal("127.0.0.1:{dot}", "{certificate}", "{private_key}")
addDOHLocal("127.0.0.1:{doh}", "{certificate}", "{private_key}", {{"/dns-query"}})
"""

_KRESD = """\
net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
net.listen('127.0.0.1', {dot}, {{ kind = 'tls' }})
net.listen('127.0.0.1', {doh}, {{ kind = 'doh2' }})
net.tls("{certificate}", "{private_key}")
trust_anchors.remove('.')
cache.size = 10 * MB
policy.add(policy.all(policy.STUB('127.0.0.1@{behind}')))
"""

_NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  ip-address: 127.0.0.1@{dot}
  tls-port: {dot}
  tls-service-key: "{private_key}"
  tls-service-pem: "{certificate}"
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: "example."
  zonefile: "example.zone"
"""

_EXAMPLE_ZONE = """\
$ORIGIN example.
@ 3600 IN SOA ns host 1 2 3 4 30
@ 3600 IN NS ns
ns 3600 IN A 127.0.0.1
plain 300 IN A 198.51.100.30
plain.nsd-dot 300 IN A 198.51.100.30
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server serves what."""

    dot: int
    doh: int


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """A server, from when it answers on `port` by UDP."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    with ended(process):

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                ask(port, "plain.example", seconds=0.2)
            except (dns.exception.Timeout, OSError):
                return False
            return True

        wait_until(answers, f"{command[0]} answers")
        yield


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of all the servers here: for SERVER_NAME and 127.0.0.1."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def unbound(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Unbound]:
    """unbound, which serves the world by UDP, DoT and DoH."""
    names = f"{SERVER_NAME}. 60 IN A 127.0.0.1\n"
    for zone in (zone_of(server, form) for server, form in _ASKED):
        names += f"plain.{zone}. 300 IN A 198.51.100.30\n"
        names += "".join(f'large.{zone}. 300 IN TXT "{number:02} {"x" * 60}"\n' for number in range(60))
    with Unbound(tmp_path_factory.mktemp("unbound"), WORLD + "\n" + names, certificates=certificates) as server:
        yield server


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, unbound: Unbound, certificates: Certificates
) -> Iterator[Callable[[str], Ports]]:
    """Starts a server by name, once; it is asked by DoT and DoH, and asks unbound, or knows the zone itself."""
    started: dict[str, Ports] = {"unbound": Ports(unbound.dot_port, unbound.doh_port)}
    with ExitStack() as stack:

        def start(name: str) -> Ports:
            if name not in started:
                folder = tmp_path_factory.mktemp(name)
                port, dot, doh = free_port(), free_port(), free_port()
                conf, command = {
                    "dnsdist": (_DNSDIST, [program("dnsdist"), "--supervised", "--disable-syslog", "-C", "conf"]),
                    "kresd": (_KRESD, [program("kresd"), "-n", "-c", "conf", str(folder)]),
                    "nsd": (_NSD, [program("nsd"), "-d", "-c", "conf"]),
                }[name]
                path = folder / "conf"
                command[command.index("conf")] = str(path)
                path.write_text(
                    conf.format(
                        port=port,
                        dot=dot,
                        doh=doh,
                        behind=unbound.port,
                        folder=folder,
                        certificate=certificates.certificate,
                        private_key=certificates.private_key,
                    )
                )
                (folder / "example.zone").write_text(_EXAMPLE_ZONE)
                stack.enter_context(running(command, folder, port))
                started[name] = Ports(dot, doh)
            return started[name]

        yield start


def config(certificates: Certificates, *servers: str, **more: Any) -> dict[str, Any]:
    """A config with these upstreams, and the CA."""
    upstream = {"servers": list(servers), "ca_file": str(certificates.authority), "private_names": ["example"], **more}
    return {"workers": 1, "upstream": upstream}


_FORMS = {
    "DoT": lambda ports: f"tls://{LOCALHOST}:{ports.dot}#{SERVER_NAME}",
    "DoT by address": lambda ports: f"tls://{LOCALHOST}:{ports.dot}",
    "DoH": lambda ports: f"https://{LOCALHOST}:{ports.doh}/dns-query#{SERVER_NAME}",
}


_ASKED = [
    *((name, form) for name in ("unbound", "dnsdist", "kresd") for form in ("DoT", "DoH")),
    ("unbound", "DoT by address"),
    ("nsd", "DoT"),
]


def zone_of(server: str, form: str) -> str:
    """The zone whose names are asked of that server in that way."""
    return f"{server}-{form.replace(' ', '-').lower()}.example"


@pytest.fixture(scope="module")
def asking_all(
    tmp_path_factory: pytest.TempPathFactory,
    start: Callable[[str], Ports],
    certificates: Certificates,
    unbound: Unbound,
) -> Iterator[Moatdns]:
    """A resolver that asks each of them for a zone of its own; all else it asks by DoT too."""
    zones = {zone_of(server, form): [_FORMS[form](start(server))] for server, form in _ASKED}
    ours = config(certificates, _FORMS["DoT"](start("unbound")), zones=zones)
    with Moatdns(tmp_path_factory.mktemp("asking"), ours) as moatdns:
        yield moatdns


@pytest.mark.parametrize(("server", "form"), _ASKED)
def test_real_servers_are_asked_by_tls_and_https(asking_all: Moatdns, server: str, form: str) -> None:
    ours, zone = asking_all, zone_of(server, form)
    assert rdata(ask(ours.port, f"plain.{zone}")) == ["198.51.100.30"]
    assert ask(ours.port, f"nothing-here.{zone}").rcode() == dns.rcode.NXDOMAIN
    if server != "nsd":
        assert len(dig(ours.port, "+tcp", f"large.{zone}", "TXT").rdata) == 60
        for number in range(100):
            assert ask(ours.port, f"n{number}.{zone}").rcode() == dns.rcode.NXDOMAIN


def health_of(server: Moatdns) -> list[dict[str, Any]]:
    """What the API tells of upstreams."""
    return [dict(each) for each in server.api.get("status")["upstreams"]]


@pytest.mark.parametrize(
    ("is_stranger", "why"), [(False, "Hostname mismatch"), (True, "unable to get local issuer certificate")]
)
def test_a_wrong_name_and_an_unknown_issuer_are_refused_and_told(
    tmp_path: Path, start: Callable[[str], Ports], certificates: Certificates, is_stranger: bool, why: str
) -> None:
    by_tls, by_https = (_FORMS[form](start("unbound")) for form in ("DoT", "DoH"))
    authority = Certificates(tmp_path / "stranger") if is_stranger else certificates
    if not is_stranger:
        by_tls, by_https = (url.replace(SERVER_NAME, "other.example") for url in (by_tls, by_https))
    with Moatdns(
        tmp_path / "moatdns", config(authority, by_tls, zones={"doh.example": [by_https]}), with_api=True
    ) as ours:
        for name in ("plain.example", "other.example", "plain.doh.example", "other.doh.example"):
            answer = ask(ours.port, name)
            assert answer.rcode() == dns.rcode.SERVFAIL
            assert ede(answer) == [(23, "no upstream can be reached")]
        upstreams = wait_until(lambda: _if_all_in_trouble(health_of(ours)), "the health of both is told")
        assert len(upstreams) == 2
        for upstream in upstreams:
            assert why in upstream["trouble"]
            assert upstream["healthy"] is False
            counted = f'moatdns_upstream_requests_total{{result="tls",upstream="{upstream["name"]}"}}'
            wait_until(lambda counted=counted: counted in ours.api.get("/metrics"), "it is counted")


def _if_all_in_trouble(upstreams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return upstreams if upstreams and all(each["trouble"] for each in upstreams) else []


def test_names_of_upstreams_are_looked_up_at_the_bootstrap_servers(
    moatdns: StartMoatdns, unbound: Unbound, certificates: Certificates
) -> None:
    url = f"https://{SERVER_NAME}:{unbound.doh_port}/dns-query"
    ours = moatdns(config(certificates, url, bootstrap=[unbound.server]))
    assert rdata(ask(ours.port, "plain.example")) == ["198.51.100.30"]


def test_a_server_that_is_back_is_asked_again_soon(
    moatdns: StartMoatdns, tmp_path: Path, unbound: Unbound, certificates: Certificates
) -> None:
    with Unbound(tmp_path / "first", "*.first.example. 60 IN A 198.51.100.99\n", certificates=certificates) as first:
        tls = f"tls://{LOCALHOST}:{first.dot_port}#{SERVER_NAME}"
        ours = moatdns(config(certificates, tls, unbound.server, strategy="ordered"))
        assert rdata(ask(ours.port, "a.first.example")) == ["198.51.100.99"]
        first.stop()
        for number in range(10):
            assert ask(ours.port, f"n{number}.first.example", seconds=5).rcode() == dns.rcode.NXDOMAIN
        first.start()
        numbers = iter(range(10_000))
        wait_until(
            lambda: rdata(ask(ours.port, f"x{next(numbers)}.first.example", seconds=5)),
            "the first is asked first again",
        )


def test_a_ca_file_that_cannot_be_read_is_told_before_anything_is_served(tmp_path: Path) -> None:
    path = tmp_path / "moatdns.yaml"
    path.write_text("upstream: {servers: ['tls://192.0.2.1#dns.example'], ca_file: nothing-here.pem}\n")
    command = [MOATDNS, "check-config", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "upstream.ca_file: " in done.stdout + done.stderr
    assert "nothing-here.pem" in done.stdout + done.stderr
