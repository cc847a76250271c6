"""Gauges: each that is taken is shown, and certificates end when the first of their chain does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from admin_api.api import gauges
from admin_api.api.certificate_ends import CertificateEnds
from admin_api.statistics.prometheus import GAUGES
from resolver.config.settings import ClientCertificates
from tests.support.client_certificates import DAY, ClientAuthority, joined


def test_each_gauge_that_is_taken_is_shown() -> None:
    taken = set(re.findall(r'"(moatdns_\w+)": ', Path(gauges.__file__).read_text()))
    assert len(taken) > 15
    assert taken <= GAUGES.keys()


def test_a_certificate_ends_with_the_first_of_its_chain_and_is_read_again_when_it_is_served_anew(
    tmp_path: Path,
) -> None:
    soon, later = (datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) for days in (10, 90))
    authority = trustme.CA()
    ending, lasting = (authority.issue_cert("dns.corp.example", not_after=end) for end in (soon, later))
    file = tmp_path / "chain.pem"
    ends = CertificateEnds({"tls": str(file), "admin": None})
    ends.read_missing()
    assert ends.gauges() == {}
    file.write_bytes(lasting.cert_chain_pems[0].bytes() + ending.cert_chain_pems[0].bytes())
    ends.read_missing()
    assert ends.gauges() == {("tls",): soon.timestamp()}
    file.write_bytes(lasting.cert_chain_pems[0].bytes())
    ends.read_missing()  # the server has not read it either
    assert ends.gauges() == {("tls",): soon.timestamp()}
    ends.renew()
    ends.read_missing()
    assert ends.gauges() == {("tls",): later.timestamp()}
    file.write_bytes(b"no certificate")
    ends.renew()
    ends.read_missing()
    assert ends.gauges() == {}


def test_the_cas_and_lists_of_clients_certificates_are_told_with_what_is_over(tmp_path: Path) -> None:
    authority = ClientAuthority(tmp_path)
    ends = CertificateEnds({"tls": None}, ClientCertificates(str(authority.ca), str(authority.crl)))
    ends.read_missing()
    assert ends.gauges() == {("clients",): authority.x509.not_valid_after_utc.timestamp()}
    assert ends.crl_gauge()[()] > datetime.now(UTC).timestamp()
    assert ends.troubles == []
    authority.write_crl(begins_in=-3 * DAY, ends_in=-DAY)
    ends.read_missing()  # no worker has read it either
    assert ends.troubles == []
    ends.renew()
    ends.read_missing()
    assert ends.crl_gauge()[()] < datetime.now(UTC).timestamp()
    [trouble] = ends.troubles
    assert "client certificates of this CA are refused" in trouble
    authority.crl.write_bytes(b"no list")
    ends.renew()
    ends.read_missing()
    assert ends.troubles == [trouble]


def test_a_ca_without_a_list_and_a_list_that_is_still_to_come_are_told(tmp_path: Path) -> None:
    listed, other = ClientAuthority(tmp_path / "one"), ClientAuthority(tmp_path / "other", "Other")
    both = joined(tmp_path / "both.pem", listed.ca, other.ca)
    ends = CertificateEnds({"tls": None}, ClientCertificates(str(both), str(listed.crl)))
    ends.read_missing()
    [trouble] = ends.troubles
    assert "there is no CRL of 'CN=Other': client certificates of this CA are refused" in trouble
    both.write_bytes(listed.ca.read_bytes())
    listed.write_crl(begins_in=DAY, ends_in=3 * DAY)
    ends.renew()
    ends.read_missing()
    [trouble] = ends.troubles
    assert "only: client certificates of this CA are refused until then; compare both clocks" in trouble
