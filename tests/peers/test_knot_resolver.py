"""Knot Resolver forwards to us over TLS, and believes nobody else: an office's resolver in front of the company's."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dns.exception
import dns.rcode
import pytest

from tests.peers.conftest import Secure
from tests.support.clients import UdpClient, ask, query, rdata
from tests.support.encrypted import SERVER_NAME
from tests.support.programs import ended, free_port, program, wait_until
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

_CONFIG = """\
net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})
trust_anchors.remove('.')
cache.size = 10 * MB
policy.add(policy.all(policy.TLS_FORWARD({{{{
  '127.0.0.1@{upstream}', hostname = '{hostname}', ca_file = '{authority}'
}}}})))
"""


@contextmanager
def knot_resolver(folder: Path, secure: Secure, hostname: str) -> Iterator[int]:
    """kresd, which expects `hostname` in our certificate; gives its port."""
    port = free_port()
    config = {"port": port, "upstream": secure.server.dot_port, "authority": secure.certificates.authority}
    (folder / "config").write_text(_CONFIG.format(hostname=hostname, **config))
    with (folder / "log").open("wb") as log:
        command = [program("kresd"), "-n", "-c", "config", str(folder)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    with ended(process):

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                ask(port, "localhost", seconds=0.2)
            except (dns.exception.Timeout, OSError):
                return False
            return True

        wait_until(answers, "kresd answers")
        yield port


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, secure: Secure) -> Iterator[int]:
    """kresd with the right name."""
    with knot_resolver(tmp_path_factory.mktemp("kresd"), secure, SERVER_NAME) as port:
        yield port


def test_open_names_are_resolved_and_blocked_ones_are_blocked_through_it(
    front: int, secure: Secure, upstream: StubUpstream
) -> None:
    assert rdata(ask(front, "open.company.net")) == [DEFAULT_ANSWER]
    assert rdata(ask(front, "claude.ai")) == ["0.0.0.0"]
    assert rdata(ask(front, "claude.ai", "AAAA")) == ["::"]
    assert ask(front, "claude.ai", "HTTPS").rcode() == dns.rcode.NOERROR
    assert not upstream.times_asked("claude.ai")
    wait_until(lambda: secure.log_rows("open.company.net") and secure.log_rows("claude.ai"), "the query log")
    rows = [*secure.log_rows("open.company.net"), *secure.log_rows("claude.ai")]
    assert {row["protocol"] for row in rows} == {"dot"}


def test_many_questions_at_once_are_all_answered(front: int) -> None:
    address = socket.inet_aton(DEFAULT_ANSWER)
    for wave in range(10):  # kresd 5.6 itself fails a part of some hundred at once, before it has sent them
        with ExitStack() as held:
            clients = [held.enter_context(UdpClient(front)) for _ in range(20)]
            for number, client in enumerate(clients):
                client.send(query(f"n{number}.wave{wave}.company.net").to_wire())
            assert all(address in client.receive() for client in clients), wave


def test_with_another_name_in_our_certificate_than_it_expects_it_asks_us_nothing(
    tmp_path: Path, secure: Secure, upstream: StubUpstream
) -> None:
    with knot_resolver(tmp_path, secure, "dns.elsewhere.example") as port:
        assert ask(port, "unasked.company.net").rcode() == dns.rcode.SERVFAIL
    assert not upstream.times_asked("unasked.company.net")
    assert "does not match the expected" in (tmp_path / "log").read_text()
