"""Client certificates that are revoked, over, or of others, and lists that cannot be used: refused, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.client_certificates import DAY, ClientAuthority, mail
from tests.support.encrypted import Certificates, s_client
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, wait_until
from tests.support.proving import (
    ALICE,
    BLOCKED,
    REAL,
    Device,
    ask_on,
    becomes_refused,
    by_doh,
    by_dot,
    config_of,
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


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_bad_certificate_is_refused_with_its_alert_and_counted(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority, tmp_path: Path, version: str
) -> None:
    authority.issue()  # so that no stranger's has the number of the revoked one: OpenSSL looks into the list first
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


def test_a_list_that_cannot_be_used_changes_nothing_and_one_that_is_over_refuses_certificates(
    office: Moatdns, certificates: Certificates, authority: ClientAuthority
) -> None:
    alice = authority.issue(mail(ALICE))
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
