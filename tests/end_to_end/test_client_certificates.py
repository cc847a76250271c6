"""Clients that prove who they are by a certificate, over DoT and DoH: kdig, curl, openssl and Python."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dns.message
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from resolver.wire.proxy_header import SIGNATURE
from tests.support.client_certificates import DAY, ClientAuthority, ClientCertificate, mail, upn
from tests.support.clients import LOCALHOST, dig, kdig, query, rdata
from tests.support.encrypted import SERVER_NAME, Certificates, curl, s_client
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.unbound import Unbound

REAL, BLOCKED = ["198.51.100.1"], ["0.0.0.0"]
ALICE, KIOSK = "alice@corp.example", "kiosk-7"
CLAIM, PROXY = "till-3", "127.0.0.60"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ClientAuthority:
    """The CA of clients."""
    return ClientAuthority(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def alice(authority: ClientAuthority) -> ClientCertificate:
    """A certificate that an exempt group has."""
    return authority.issue(mail("Alice@Corp.Example"), x509.DNSName("laptop.corp.example"))


def config_of(world: Unbound, certificates: Certificates, **clients: Any) -> dict[str, Any]:
    groups = [
        {"name": "people", "client_names": [f"proved:{ALICE}", f"proved:{KIOSK}"], "exempt": True},
        {"name": "tills", "client_names": [CLAIM], "exempt": True},
    ]
    return {
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "tls": {**certificates.section, "clients": clients},
        "clients": {"trusted_proxies": [{"network": PROXY, "sources": ["proxy", "x-forwarded-for"]}]},
        "policy": {"groups": groups},
        "query_log": {"what": "all", "identities": "full"},
        "limits": {"tcp_idle_seconds": 30.0},
    }


@pytest.fixture(scope="module")
def office(
    tmp_path_factory: pytest.TempPathFactory, world: Unbound, certificates: Certificates, authority: ClientAuthority
) -> Iterator[Moatdns]:
    """A server that asks clients for a certificate, and does without."""
    config = config_of(world, certificates, ca=str(authority.ca), crl=str(authority.crl))
    with Moatdns(tmp_path_factory.mktemp("office"), config, with_api=True, certificates=certificates) as moatdns:
        yield moatdns


@pytest.fixture(autouse=True)
def nobody_is_revoked(office: Moatdns, authority: ClientAuthority) -> Iterator[None]:
    """Whatever a test revokes is taken back."""
    before = authority.crl.read_bytes()
    yield
    if authority.crl.read_bytes() != before:
        authority.crl.write_bytes(before)
        assert office.hang_up()["event"] == "reloaded"


def by_dot(server: Moatdns, certificates: Certificates, *arguments: str, name: str = "") -> list[str]:
    ask = (f"+tls-ca={certificates.authority}", f"+tls-hostname={SERVER_NAME}", f"+tls-sni={name}{SERVER_NAME}")
    return kdig(server.dot_port, *ask, *arguments, "claude.ai").rdata


def by_doh(server: Moatdns, certificates: Certificates, *arguments: str, path: str = "/dns-query") -> list[str]:
    fetched = curl(certificates, server.doh_port, path, *arguments, body=query("claude.ai").to_wire())
    assert fetched.status == 200, fetched
    return rdata(fetched.message)


class Device:
    """A client with a certificate that keeps its sessions."""

    def __init__(self, server: Moatdns, certificates: Certificates, shown: ClientCertificate, version: str) -> None:
        self._port = server.dot_port
        self._context = certificates.client_context("dot")
        self._context.load_cert_chain(shown.certificate, shown.private_key)
        self._context.minimum_version = self._context.maximum_version = ssl.TLSVersion[version]
        self._session: ssl.SSLSession | None = None

    @contextlib.contextmanager
    def connected(self, *, client: str = LOCALHOST, before: bytes = b"") -> Iterator[ssl.SSLSocket]:
        """A connection, resumed where there was one before; `before` is sent before the handshake."""
        with socket.create_connection((LOCALHOST, self._port), PATIENCE_SECONDS, (client, 0)) as plain:
            plain.sendall(before)
            wrapped = self._context.wrap_socket(plain, server_hostname=SERVER_NAME, session=self._session)
            with wrapped as connection:
                yield connection

    def ask(self) -> tuple[list[str], bool]:
        """The answer for claude.ai, and whether the session was resumed. Raises OSError or EOFError."""
        with self.connected() as connection:
            answer = ask_on(connection)
            self._session = connection.session
            return answer, bool(connection.session_reused)


def ask_on(connection: ssl.SSLSocket) -> list[str]:
    """The answer for claude.ai on an open connection. Raises OSError or EOFError."""
    asked = query("claude.ai")
    wire = asked.to_wire()
    connection.sendall(len(wire).to_bytes(2, "big") + wire)
    head = connection.recv(2)
    if len(head) < 2:
        raise EOFError
    return rdata(dns.message.from_wire(connection.recv(int.from_bytes(head, "big"))))


def header(client: str) -> bytes:
    """A PROXY header of version 2 for a client over TCP."""
    addresses = socket.inet_aton(client) + socket.inet_aton(LOCALHOST) + (4711).to_bytes(2, "big") * 2
    return SIGNATURE + b"\x21\x11" + len(addresses).to_bytes(2, "big") + addresses


def refused(server: Moatdns, reason: str) -> int:
    """How many certificates were refused for a reason."""
    return server.counts().get(f"client_certificate_{reason}", 0)


def test_the_certificate_gives_the_group_over_dot_and_doh(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, alice: ClientCertificate
) -> None:
    user, device = authority.issue(upn("ALICE@corp.example")), authority.issue(x509.DNSName("Kiosk-7"))
    unnamed, other = authority.issue(), authority.issue(mail("carol@corp.example"))
    for shown, answer in ((alice, REAL), (user, REAL), (device, REAL), (other, BLOCKED), (unnamed, BLOCKED)):
        assert by_dot(office, certificates, *shown.of_kdig) == answer
        for version in ("--http1.1", "--http2"):
            assert by_doh(office, certificates, version, *shown.of_curl) == answer
    assert by_dot(office, certificates) == BLOCKED
    assert by_doh(office, certificates) == BLOCKED
    assert dig(office.port, "claude.ai").rdata == BLOCKED


def test_a_claim_is_no_proof_and_counts_only_where_there_is_none(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    for name in (KIOSK, f"proved:{KIOSK}", f"proved:{ALICE}"):
        assert by_dot(office, certificates, name=f"{name}.") == BLOCKED
    assert by_doh(office, certificates, path=f"/dns-query/{KIOSK}") == BLOCKED
    for path in (f"proved:{KIOSK}", f"proved%3A{KIOSK}"):
        assert (
            curl(certificates, office.doh_port, f"/dns-query/{path}", body=query("claude.ai").to_wire()).status == 404
        )
    carol, till = authority.issue(mail("carol@corp.example")), authority.issue(x509.DNSName(CLAIM))
    assert by_dot(office, certificates, name=f"{CLAIM}.") == REAL  # a hint, as ever
    assert by_dot(office, certificates, *carol.of_kdig, name=f"{CLAIM}.") == BLOCKED
    assert by_doh(office, certificates, *carol.of_curl, path=f"/dns-query/{CLAIM}") == BLOCKED
    assert by_dot(office, certificates, *till.of_kdig) == REAL


def test_an_exemption_for_the_identity_counts_and_the_trace_says_why(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    bob = authority.issue(mail("bob@corp.example"))
    address = "127.0.0.61"
    lease = {"identity": "carol@corp.example", "ttl_seconds": 60}
    assert office.api.call("PUT", f"leases/{address}", lease).status == 201
    assert by_dot(office, certificates, *bob.of_kdig, "-b", address) == BLOCKED
    body = {
        "subject": {"identity": "bob@corp.example"},
        "scope": ["ai"],
        "owner": "ana",
        "reason": "a test",
        "duration_seconds": 60,
    }
    made = office.api.call("POST", "exemptions", body)
    assert made.status == 201, made
    assert by_dot(office, certificates, *bob.of_kdig, "-b", address) == REAL
    assert by_doh(office, certificates, *bob.of_curl, "--interface", address) == REAL
    assert by_dot(office, certificates, "-b", address) == BLOCKED
    explained = office.api.get(f"explain?name=claude.ai&client={address}&client_name=proved:Bob@corp.example")
    assert explained["verdict"] == "exempt"
    assert {"client name": "proved"}.items() <= {step["step"]: step["outcome"] for step in explained["trace"]}.items()
    command = [MOATDNS, "explain", "claude.ai", "--config", str(office.config_file), "--json"]
    command += ["--client-name", f"proved:{ALICE}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    assert json.loads(done.stdout)["group"] == {"name": "people", "via": "certificate", "network": None}
    assert office.api.call("GET", "explain?name=claude.ai&client_name=proved:a%20b").status == 422


def test_the_query_log_has_who_the_certificate_says_that_asked(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    dana, address = authority.issue(mail("Dana@corp.example")), "127.0.0.62"
    assert office.api.call("PUT", f"leases/{address}", {"identity": "carol", "ttl_seconds": 60}).status == 201
    assert by_dot(office, certificates, *dana.of_kdig, "-b", address) == BLOCKED
    assert by_doh(office, certificates, "--interface", address) == BLOCKED
    logged = wait_until(
        lambda: len(found := office.api.get(f"queries?client={address}")["items"]) == 2 and found, "both in the log"
    )
    assert {(row["protocol"], row["identity"]) for row in logged} == {("dot", "dana@corp.example"), ("doh", "carol")}


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_bad_certificate_is_refused_with_its_alert_and_counted(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, tmp_path: Path, version: str
) -> None:
    revoked = authority.issue(mail(ALICE))
    authority.write_crl([revoked])
    assert office.hang_up()["event"] == "reloaded"
    stranger = ClientAuthority(tmp_path / "others")  # of the same name, but with another key
    cases = {
        "revoked": (revoked, 44),
        "expired": (authority.issue(mail(ALICE), begins_in=-2 * DAY, ends_in=-DAY), 45),
        "not_yet_valid": (authority.issue(mail(ALICE), begins_in=DAY), 42),
        "unusable": (authority.issue(mail(ALICE), usage=ExtendedKeyUsageOID.SERVER_AUTH), 43),
        "unknown_ca": (ClientAuthority(tmp_path / "else", "Others").issue(mail(ALICE)), 48),
    }
    for reason, (shown, alert) in cases.items():
        before = refused(office, reason)
        said = s_client(certificates, office.dot_port, version, "-ign_eof", *shown.of_openssl)
        assert f"alert number {alert}" in said, (reason, said)
        assert refused(office, reason) == before + 1, reason
    said = s_client(certificates, office.dot_port, version, "-ign_eof", *stranger.issue(mail(ALICE)).of_openssl)
    assert "alert number" in said
    for shown, _ in cases.values():
        assert by_dot(office, certificates, *shown.of_kdig) == []
    assert by_dot(office, certificates) == BLOCKED


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_resumed_session_does_not_outlive_a_revocation(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, version: str
) -> None:
    shown = authority.issue(mail(ALICE))
    device = Device(office, certificates, shown, version)
    assert device.ask() == (REAL, False)
    assert device.ask() == (REAL, True)
    authority.write_crl([shown])
    assert office.hang_up()["event"] == "reloaded"
    before = refused(office, "revoked")
    with pytest.raises((OSError, EOFError)):
        device.ask()
    assert refused(office, "revoked") == before + 1


@pytest.mark.slow
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_neither_a_resumed_session_nor_an_open_connection_outlives_the_certificate(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, version: str
) -> None:
    device = Device(office, certificates, authority.issue(mail(ALICE), ends_in=timedelta(seconds=4)), version)
    assert device.ask() == (REAL, False)
    before = refused(office, "expired")
    with device.connected() as connection:
        assert connection.session_reused
        assert ask_on(connection) == REAL
        connection.settimeout(PATIENCE_SECONDS)
        assert connection.recv(2) == b""  # a goodbye
    with pytest.raises((OSError, EOFError)):
        device.ask()
    assert refused(office, "expired") == before + 2


def test_an_open_connection_ends_when_its_certificate_is_revoked_and_others_go_on(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    gone, stays = authority.issue(mail(ALICE)), authority.issue(mail(ALICE))
    with (
        Device(office, certificates, gone, "TLSv1_3").connected() as lost,
        Device(office, certificates, stays, "TLSv1_3").connected() as kept,
    ):
        assert (ask_on(lost), ask_on(kept)) == (REAL, REAL)
        authority.write_crl([gone])
        assert office.hang_up()["event"] == "reloaded"
        assert lost.recv(2) == b""
        assert ask_on(kept) == REAL


def test_a_proxys_own_certificate_says_nothing_of_its_clients(
    office: Moatdns, certificates: Certificates, alice: ClientCertificate
) -> None:
    forwarded = ("--header", "x-forwarded-for: 127.0.0.9", "--interface", PROXY)
    assert by_doh(office, certificates, *forwarded, *alice.of_curl) == BLOCKED
    named = header("127.0.0.9")  # before TLS: which is the client's own, passed on
    with Device(office, certificates, alice, "TLSv1_3").connected(client=PROXY, before=named) as connection:
        assert ask_on(connection) == REAL


def test_a_list_that_cannot_be_used_changes_nothing_and_one_that_is_over_refuses_certificates(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, alice: ClientCertificate
) -> None:
    authority.crl.write_bytes(b"no list")
    told = office.hang_up()
    assert told["event"].startswith("the config is not used")
    assert "tls.clients.crl" in told["problem"]
    assert by_dot(office, certificates, *alice.of_kdig) == REAL
    authority.write_crl(begins_in=-3 * DAY, ends_in=-DAY)
    assert office.hang_up()["event"] == "reloaded"
    before = refused(office, "no_valid_crl")
    assert by_dot(office, certificates, *alice.of_kdig) == []
    assert by_dot(office, certificates) == BLOCKED
    assert refused(office, "no_valid_crl") == before + 1
    why = wait_until(lambda: [text for text in office.api.get("/ready")["why"] if "CRL" in text], "/ready says so")
    assert "client certificates of this CA are refused" in why[0]
    wait_until(lambda: "\nmoatdns_client_crl_expires_timestamp_seconds 1" in office.api.get("/metrics"), "the metric")


def test_where_certificates_are_required_nobody_is_served_without(
    tmp_path: Path, world: Unbound, certificates: Certificates, authority: ClientAuthority, alice: ClientCertificate
) -> None:
    config = config_of(world, certificates, ca=str(authority.ca), required=True)
    with Moatdns(tmp_path / "strict", config, certificates=certificates) as strict:
        assert by_dot(strict, certificates, *alice.of_kdig) == REAL
        assert by_doh(strict, certificates, *alice.of_curl) == REAL
        assert by_dot(strict, certificates) == []
        for version in ("-tls1_2", "-tls1_3"):
            said = s_client(certificates, strict.dot_port, version, "-ign_eof")
            assert "alert number" in said
        assert refused(strict, "missing") == 3
        device = Device(strict, certificates, alice, "TLSv1_3")
        assert [device.ask(), device.ask()] == [(REAL, False), (REAL, True)]
