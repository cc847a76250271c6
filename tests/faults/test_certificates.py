"""Certificates of DoT and DoH: changed by SIGHUP while connections are open, and checked before they are used."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.support.clients import ask, is_blocked, query
from tests.support.encrypted import SERVER_NAME, Certificates, DotClient, curl, serial_shown
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until

CONFIG: dict[str, Any] = {"workers": 1, "upstream": {"servers": ["udp://127.0.0.1:9"]}}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Moatdns]:
    """A server with DoT and DoH."""
    with Moatdns(tmp_path_factory.mktemp("renewed"), CONFIG, certificates=certificates) as moatdns:
        yield moatdns


def check_config(folder: Path, config: dict[str, Any]) -> tuple[int, str]:
    """The exit code of `moatdns check-config`, and what it says."""
    file = folder / "moatdns.yaml"
    file.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [MOATDNS, "check-config", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_new_certificate_is_shown_to_new_clients_and_open_connections_stay(
    server: Moatdns, certificates: Certificates
) -> None:
    workers = {worker.pid for worker in server.workers()}
    before = serial_shown(certificates, server.dot_port)
    with DotClient(server.dot_port, certificates) as connection:
        assert is_blocked(connection.ask(query("claude.ai")))
        certificates.renew()
        assert serial_shown(certificates, server.dot_port) == before
        server.hang_up()
        wait_until(lambda: serial_shown(certificates, server.dot_port) != before, "the new certificate")
        assert serial_shown(certificates, server.doh_port) == serial_shown(certificates, server.dot_port)
        assert is_blocked(connection.ask(query("claude.ai")))
    fetched = curl(certificates, server.doh_port, "/dns-query", body=query("claude.ai").to_wire())
    assert is_blocked(fetched.message)
    assert {worker.pid for worker in server.workers()} == workers


@pytest.mark.parametrize("kind", [trustme.KeyType.RSA, trustme.KeyType.ECDSA])
def test_a_new_certificate_with_a_key_of_another_kind_is_shown_to_every_new_client(
    server: Moatdns, certificates: Certificates, kind: trustme.KeyType
) -> None:
    before = serial_shown(certificates, server.dot_port)
    certificates.renew(kind)
    server.hang_up()
    # A client that takes both kinds must not be shown the old one, which is about to end.
    wait_until(lambda: serial_shown(certificates, server.dot_port) != before, "the new certificate")
    assert serial_shown(certificates, server.doh_port) == serial_shown(certificates, server.dot_port)


def test_sessions_are_resumed_when_nothing_was_renewed(server: Moatdns, certificates: Certificates) -> None:
    context = certificates.client_context("dot")
    session = None
    for _ in range(2):
        plain = socket.create_connection(("127.0.0.1", server.dot_port), PATIENCE_SECONDS)
        with context.wrap_socket(plain, server_hostname=SERVER_NAME, session=session) as connection:
            wire = query("claude.ai").to_wire()
            connection.sendall(struct.pack("!H", len(wire)) + wire)
            assert connection.recv(512)
            is_resumed, session = connection.session_reused, connection.session
        server.hang_up()
    assert is_resumed


def test_without_a_certificate_plain_dns_is_served_and_dot_once_there_is_one(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    server = Moatdns(tmp_path / "moatdns", CONFIG, certificates=certificates)
    with server:
        assert serial_shown(certificates, server.dot_port)
    key = certificates.private_key.read_bytes()
    for read_anew in (False, True):
        certificates.private_key.unlink()
        if read_anew:
            server.config_file.write_text(server.config_file.read_text() + "# changed\n")
        server.launch()
        server.wait_for("serving")
        try:
            told = server.wait_for("the certificate is not used; DoT and DoH wait for a usable one")
            assert f"tls.private_key: {certificates.private_key} cannot be read" in told["why"]
            assert is_blocked(ask(server.port, "claude.ai"))
            plain = socket.create_connection(("127.0.0.1", server.dot_port), PATIENCE_SECONDS)
            with plain as connection, contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
            certificates.private_key.write_bytes(key)
            server.hang_up()
            wait_until(lambda: _is_served(server, certificates), "DoT")
        finally:
            server.stop()


def _is_served(server: Moatdns, certificates: Certificates) -> bool:
    try:
        with DotClient(server.dot_port, certificates) as client:
            return is_blocked(client.ask(query("claude.ai")))
    except OSError:
        return False


@pytest.mark.parametrize("fault", ["of another key", "no certificate", "gone"])
def test_a_pair_that_cannot_be_used_is_told_and_the_old_one_stays(
    server: Moatdns, certificates: Certificates, tmp_path: Path, fault: str
) -> None:
    before = serial_shown(certificates, server.dot_port)
    good = {file: file.read_bytes() for file in (certificates.certificate, certificates.private_key)}
    known = len(server.events)
    if fault == "gone":
        certificates.certificate.unlink()
    elif fault == "of another key":
        certificates.private_key.write_bytes(Certificates(tmp_path).private_key.read_bytes())
    else:
        certificates.certificate.write_text("nonsense\n")
    try:
        server.hang_up()
        told = wait_until(
            lambda: [e for e in server.events[known:] if "certificate" in str(e) and e["level"] == "error"],
            "that the pair cannot be used",
        )
        assert str(certificates.certificate.parent) in str(told[0])
        assert serial_shown(certificates, server.dot_port) == before
        assert serial_shown(certificates, server.doh_port) == before
    finally:
        for file, content in good.items():
            file.write_bytes(content)
        server.hang_up()


def test_a_config_with_dot_but_without_a_certificate_is_refused(tmp_path: Path) -> None:
    code, said = check_config(tmp_path, {**CONFIG, "listen": {"dot": ["127.0.0.1:8853"]}})
    assert code == 1
    assert "listen.dot: is set, but there is no certificate: set tls.certificate and tls.private_key" in said


def test_a_certificate_without_its_key_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    code, said = check_config(tmp_path, {**CONFIG, "tls": {"certificate": str(certificates.certificate)}})
    assert code == 1
    assert "private_key" in said


def test_a_pair_that_does_not_match_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    other = Certificates(tmp_path / "other")
    tls = {**certificates.section, "private_key": str(other.private_key)}
    code, said = check_config(tmp_path, {**CONFIG, "listen": {"doh": ["127.0.0.1:8443"]}, "tls": tls})
    assert code == 1
    why = f"{other.private_key} is not the key of the certificate in {certificates.certificate}"
    assert f"tls.private_key: {why}" in said


def test_a_certificate_that_is_missing_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    tls = {**certificates.section, "certificate": "gone.pem"}
    code, said = check_config(tmp_path, {**CONFIG, "listen": {"doh": ["127.0.0.1:8443"]}, "tls": tls})
    assert code == 1
    assert "tls.certificate: " in said
    assert "gone.pem cannot be read" in said


def test_a_certificate_for_other_names_is_told_of(tmp_path: Path, certificates: Certificates) -> None:
    tls = {**certificates.section, "server_name": "dns.other.example"}
    _, said = check_config(tmp_path, {**CONFIG, "listen": {"doh": ["127.0.0.1:8443"]}, "tls": tls})
    assert "tls.server_name: the certificate in" in said


def test_the_line_of_every_file_that_cannot_be_used_is_told(tmp_path: Path, certificates: Certificates) -> None:
    config = {
        **CONFIG,
        "listen": {"dot": ["127.0.0.1:8853"]},
        "tls": {**certificates.section, "private_key": "gone.key"},
        "upstream": {"servers": ["tls://192.0.2.1#dns.example"], "ca_file": "gone.pem"},
        "admin": {
            **{"listen": "127.0.0.1:8054", "url": "https://dns.corp.example"},
            "tls": {"certificate": "gone.crt", "private_key": "admin.key"},
        },
        "login": {
            "oidc": {
                **{"issuer": "https://login.corp.example", "client_id": "moatdns", "roles": {"admin": ["a"]}},
                "ca_file": "gone-too.pem",
            }
        },
    }
    code, said = check_config(tmp_path, config)
    assert code == 1
    (file,) = tmp_path.glob("*.yaml")
    lines = file.read_text().splitlines()
    for key, last, name in (
        ("tls.private_key", "private_key", "gone.key"),
        ("upstream.ca_file", "ca_file", "gone.pem"),
        ("login.oidc.ca_file", "ca_file", "gone-too.pem"),
        ("admin.tls.certificate", "certificate", "gone.crt"),
    ):
        number = next(at for at, line in enumerate(lines, 1) if line.strip().startswith(f"{last}: {name}"))
        assert f"{file}:{number}: {key}: {tmp_path / name} cannot be read" in said
