"""dnsdist in front, by TCP and by TLS with PROXY headers, and unbound as a client that forwards by TLS."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EXEMPT, OFFICE
from tests.support.clients import LOCALHOST, ask, dig, is_blocked, rdata
from tests.support.dnsdist import Dnsdist
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.moatdns import Moatdns
from tests.support.programs import end, free_port, program, wait_until
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

PROXY = "127.0.0.8"

_UNBOUND = """\
server:
  username: ""
  chroot: ""
  pidfile: ""
  directory: "{folder}"
  do-daemonize: no
  use-syslog: no
  interface: 127.0.0.1@{port}
  do-not-query-localhost: no
  module-config: "iterator"
  num-threads: 1
  tls-cert-bundle: "{bundle}"
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-tls-upstream: yes
  forward-addr: 127.0.0.1@{dot}#{name}
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Moatdns]:
    """A server that trusts a proxy."""
    with StubUpstream() as upstream:
        config = {
            **OFFICE,
            "workers": 1,
            "upstream": {"servers": [upstream.server]},
            "clients": {
                "allow": ["127.0.0.0/8"],
                "trusted_proxies": [{"network": PROXY, "sources": ["proxy", "proxy-within-tls"]}],
            },
        }
        with Moatdns(tmp_path_factory.mktemp("behind"), config, certificates=certificates) as moatdns:
            yield moatdns


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_dnsdist_passes_on_whose_query_it_is(
    server: Moatdns, certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    how = {
        "tcp": "tcpOnly=true",
        "tls": f'tls="openssl", subjectName="{SERVER_NAME}", caStore="{certificates.authority}"',
    }[kind]
    behind = {"tcp": server.port, "tls": server.dot_port}[kind]
    with Dnsdist(tmp_path, behind, source=PROXY, how=how) as dnsdist:
        for tcp in (False, True):
            assert rdata(ask(dnsdist.port, "claude.ai", client=EXEMPT, tcp=tcp)) == [DEFAULT_ANSWER]
            assert is_blocked(ask(dnsdist.port, "claude.ai", client=LOCALHOST, tcp=tcp))
            assert rdata(ask(dnsdist.port, "plain.example", client=LOCALHOST, tcp=tcp)) == [DEFAULT_ANSWER]


@pytest.mark.parametrize("name", [SERVER_NAME, "other.example"])
def test_unbound_forwards_by_tls_to_the_server_whose_name_it_knows(
    server: Moatdns, certificates: Certificates, tmp_path: Path, name: str
) -> None:
    port = free_port()
    conf = tmp_path / "unbound.conf"
    conf.write_text(
        _UNBOUND.format(folder=tmp_path, port=port, bundle=certificates.authority, dot=server.dot_port, name=name)
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program("unbound"), "-d", "-c", str(conf)], stdout=log, stderr=log)
    try:
        wait_until(lambda: dig(port, "localhost", "+tries=1", "+timeout=1").status, "unbound answers")
        if name == SERVER_NAME:
            assert dig(port, "plain.example").rdata == [DEFAULT_ANSWER]
            assert dig(port, "claude.ai").rdata == ["0.0.0.0"]
            dug = [dig(port, f"n{number}.peer.example") for number in range(10)]
            assert [one.rdata for one in dug] == [[DEFAULT_ANSWER]] * 10
        else:
            assert dig(port, "plain.example", "+timeout=20").status == "SERVFAIL"
    finally:
        end(process)
