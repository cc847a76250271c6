"""Clients that prove who they are by a certificate, over DoT and DoH: kdig, curl, openssl and Python."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.client_certificates import DAY, ClientAuthority, ClientCertificate, mail, upn
from tests.support.clients import dig, query
from tests.support.encrypted import Certificates, curl, s_client
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.proving import (
    ALICE,
    BLOCKED,
    CLAIM,
    KIOSK,
    PROXY,
    REAL,
    Device,
    ask_on,
    becomes_refused,
    by_doh,
    by_dot,
    config_of,
    header,
    refused,
    refused_by_doh,
    reload,
)
from tests.support.unbound import Unbound


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


@pytest.fixture(scope="module")
def office(
    tmp_path_factory: pytest.TempPathFactory, world: Unbound, certificates: Certificates, authority: ClientAuthority
) -> Iterator[Moatdns]:
    """A server that asks clients for a certificate, and does without."""
    config = config_of(world, certificates, ca=str(authority.ca), crl=str(authority.crl))
    with Moatdns(tmp_path_factory.mktemp("office"), config, with_api=True, certificates=certificates) as moatdns:
        yield moatdns


@pytest.fixture(autouse=True)
def nobody_is_revoked(office: Moatdns, certificates: Certificates, authority: ClientAuthority) -> Iterator[None]:
    """Whatever a test revokes is taken back, and that is in force before the next one begins."""
    before = authority.crl.read_bytes()
    yield
    if authority.crl.read_bytes() != before:
        probe = authority.issue(mail(ALICE))
        authority.write_crl([probe])
        reload(office)
        becomes_refused(office, certificates, probe)


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
    unnamed = authority.issue()
    assert by_dot(office, certificates, name=f"{CLAIM}.") == REAL  # a hint, as ever
    assert by_dot(office, certificates, *carol.of_kdig, name=f"{CLAIM}.") == BLOCKED
    assert by_doh(office, certificates, *carol.of_curl, path=f"/dns-query/{CLAIM}") == BLOCKED
    assert by_dot(office, certificates, *unnamed.of_kdig, name=f"{CLAIM}.") == BLOCKED
    assert by_doh(office, certificates, *unnamed.of_curl, path=f"/dns-query/{CLAIM}") == BLOCKED
    assert by_doh(office, certificates, path=f"/dns-query/{CLAIM}") == REAL
    assert by_dot(office, certificates, *till.of_kdig) == REAL


def test_a_name_that_would_become_anothers_is_nobodys(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    kelvin = authority.issue(upn("\u212a" + "iosk@corp.example"))
    kiosk = {"name": "signs", "client_names": ["proved:kiosk@corp.example"], "exempt": True}
    assert office.api.call("POST", "groups", kiosk).status == 201
    assert by_dot(office, certificates, *authority.issue(upn("Kiosk@corp.example")).of_kdig) == REAL
    assert by_dot(office, certificates, *kelvin.of_kdig) == BLOCKED


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
    reload(office)
    strangers = [ClientAuthority(tmp_path / str(named), has_identifiers=named) for named in (True, False)]  # namesakes
    cases = {
        "revoked": (revoked, 44),
        "expired": (authority.issue(mail(ALICE), begins_in=-2 * DAY, ends_in=-DAY), 45),
        "not_yet_valid": (authority.issue(mail(ALICE), begins_in=DAY), 42),
        "unusable": (authority.issue(mail(ALICE), usage=ExtendedKeyUsageOID.SERVER_AUTH), 43),
        "unknown_ca": (ClientAuthority(tmp_path / "else", "Others").issue(mail(ALICE)), 48),
    }
    becomes_refused(office, certificates, revoked)
    for reason, (shown, alert) in cases.items():
        before = refused(office, reason)
        said = s_client(certificates, office.dot_port, version, "-ign_eof", *shown.of_openssl)
        assert f"alert number {alert}" in said, (reason, said)
        assert refused(office, reason) == before + 1, reason
    for stranger in strangers:
        before = refused(office, "unknown_ca")
        said = s_client(certificates, office.dot_port, version, "-ign_eof", *stranger.issue(mail(ALICE)).of_openssl)
        assert "alert number" in said
        assert refused(office, "unknown_ca") == before + 1
    for reason, (shown, _) in cases.items():
        before = refused(office, reason)
        assert by_dot(office, certificates, *shown.of_kdig) == []
        refused_by_doh(office, certificates, *shown.of_curl, "--tls-max", version[-3:].replace("_", "."))
        assert refused(office, reason) == before + 2, reason
    assert by_dot(office, certificates) == by_doh(office, certificates) == BLOCKED


@pytest.mark.parametrize("protocol", ["dot", "http/1.1"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_resumed_session_does_not_outlive_a_revocation(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, version: str, protocol: str
) -> None:
    shown = authority.issue(mail(ALICE))
    device = Device(office, certificates, shown, version, protocol)
    assert [device.ask(), device.ask()] == [(REAL, False), (REAL, True)]
    authority.write_crl([shown])
    reload(office)
    before = refused(office, "revoked")
    wait_until(device.is_refused, "the device is refused")
    assert refused(office, "revoked") == before + 1


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["dot", "http/1.1"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_neither_a_resumed_session_nor_an_open_connection_outlives_the_certificate(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, version: str, protocol: str
) -> None:
    ending = authority.issue(mail(ALICE), ends_in=timedelta(seconds=4))
    device = Device(office, certificates, ending, version, protocol)
    assert device.ask() == (REAL, False)
    before = refused(office, "expired")
    with device.connected() as connection:
        assert connection.session_reused
        assert ask_on(connection) == REAL
        connection.settimeout(PATIENCE_SECONDS)
        assert connection.recv(2) == b""  # a goodbye
    assert device.is_refused()
    assert refused(office, "expired") == before + 2


def test_an_open_connection_ends_when_its_certificate_is_revoked_and_others_go_on(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    gone, stays = authority.issue(mail(ALICE)), authority.issue(mail(ALICE))
    with (
        Device(office, certificates, gone).connected() as lost,
        Device(office, certificates, stays).connected() as kept,
    ):
        assert (ask_on(lost), ask_on(kept)) == (REAL, REAL)
        authority.write_crl([gone])
        reload(office)
        assert lost.recv(2) == b""
        assert ask_on(kept) == REAL


def test_a_connection_outlives_one_other_list_and_not_two_so_that_no_more_are_in_memory(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    device = Device(office, certificates, authority.issue(mail(ALICE)))
    gone = [authority.issue(mail(ALICE)) for _ in range(2)]
    with device.connected() as connection:
        for listed in (gone[:1], gone):
            assert ask_on(connection) == REAL
            authority.write_crl(listed)
            reload(office)
            becomes_refused(office, certificates, listed[-1])
        connection.settimeout(PATIENCE_SECONDS)
        assert connection.recv(2) == b""  # a goodbye
    assert device.ask()[0] == REAL


def test_a_proxys_own_certificate_says_nothing_of_its_clients(
    office: Moatdns, certificates: Certificates, alice: ClientCertificate
) -> None:
    forwarded = ("--header", "x-forwarded-for: 127.0.0.9", "--interface", PROXY)
    assert by_doh(office, certificates, *forwarded, *alice.of_curl) == BLOCKED
    named = header("127.0.0.9")  # before TLS: which is the client's own, passed on
    with Device(office, certificates, alice).connected(client=PROXY, before=named) as connection:
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
    reload(office)
    before = refused(office, "no_valid_crl")
    becomes_refused(office, certificates, alice)
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
        refused_by_doh(strict, certificates)
        for version in ("-tls1_2", "-tls1_3"):
            said = s_client(certificates, strict.dot_port, version, "-ign_eof")
            assert "alert number" in said
        assert refused(strict, "missing") == 4
        device = Device(strict, certificates, alice)
        assert [device.ask(), device.ask()] == [(REAL, False), (REAL, True)]
