"""What comes later than moatdns keeps nobody from being served: addresses, certificates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.clients import ask, is_blocked
from tests.support.encrypted import Certificates, tls_connection
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, program

SINKHOLE = ["0.0.0.0"]
NO_UPSTREAM = {"workers": 1, "upstream": {"servers": ["udp://127.0.0.1:9"]}}


@pytest.mark.skipif(os.geteuid() != 0, reason="ports below 1024, and giving up root")
def test_addresses_that_come_later_are_served_by_every_door_once_they_are_there() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        ran = subprocess.run(
            [program("unshare"), "--net", "--", sys.executable, "-m", "tests.support.late_namespace", folder],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE_SECONDS,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["early"] == SINKHOLE
    four, six = "198.51.100.8", "[fd00:5e::8]"
    assert told["missing"] == sorted([*(f"{four}:{port}" for port in (53, 80, 853, 8053)), f"{six}:53", f"{six}:443"])
    assert len(told["notes"]) == 1
    assert "there is no interface 'eth9' yet" in told["notes"][0]
    assert told["late"] == [SINKHOLE] * 6
    assert told["web"] == [True, True]


def test_an_address_that_never_comes_is_told(tmp_path: Path) -> None:
    config = {**NO_UPSTREAM, "listen": {"do53": ["192.0.2.1:5399"]}}
    with Moatdns(tmp_path / "moatdns", config) as server:
        told = server.wait_for("this host does not have an address that is listened on")
        assert (told["key"], told["address"]) == ("listen.do53", "192.0.2.1:5399")
        assert told["level"] == "warning"


def test_a_certificate_that_comes_later_is_served_without_a_word(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    pair = {file: file.read_bytes() for file in (certificates.certificate, certificates.private_key)}
    for file in pair:
        file.unlink()
    tls = {"certificate": str(certificates.certificate), "private_key": str(certificates.private_key)}
    config = {**NO_UPSTREAM, "admin": {"tls": tls}}
    with Moatdns(tmp_path / "moatdns", config, with_api=True, certificates=certificates) as server:
        assert is_blocked(ask(server.port, "claude.ai"))
        waits = server.wait_for("the certificate is not used; DoT and DoH wait for a usable one")
        assert "cannot be read" in waits["why"]
        assert str(certificates.certificate) in server.wait_for("the admin API is not served")["why"]
        for file, content in pair.items():
            file.write_bytes(content)
        server.wait_for("the certificate is there by now: DoT and DoH are served")
        server.wait_for("the certificate is there by now: the admin API is served")
        for port in (server.dot_port, server.admin_port):
            with tls_connection(port, certificates) as connection:
                assert connection.getpeercert()
