"""Clients that prove who they are by a certificate, over DoT and DoH: kdig, curl, openssl and Python."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.client_certificates import ClientAuthority, ClientCertificate, mail, upn
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
    by_doh,
    by_dot,
    config_of,
    header,
    refused,
    refused_by_doh,
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
    asked = f"queries?client={address}&reason=test"
    logged = wait_until(lambda: len(found := office.api.get(asked)["items"]) == 2 and found, "both in the log")
    assert {(row["protocol"], row["identity"]) for row in logged} == {("dot", "dana@corp.example"), ("doh", "carol")}


def test_a_proxys_own_certificate_says_nothing_of_its_clients(
    office: Moatdns, certificates: Certificates, alice: ClientCertificate
) -> None:
    forwarded = ("--header", "x-forwarded-for: 127.0.0.9", "--interface", PROXY)
    assert by_doh(office, certificates, *forwarded, *alice.of_curl) == BLOCKED
    named = header("127.0.0.9")  # before TLS: which is the client's own, passed on
    with Device(office, certificates, alice).connected(client=PROXY, before=named) as connection:
        assert ask_on(connection) == REAL


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
