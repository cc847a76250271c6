"""Certificates: what is wrong with one is told, and nothing of a bad one comes into use."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from resolver.certificates import read_pair
from resolver.der import read_certificate
from resolver.errors import CertificateError
from tests.support.certificates import CERTIFICATE, PRIVATE_KEY, SERVER_NAME, Authority

_DER = ssl.PEM_cert_to_DER_cert(trustme.CA().issue_cert("dns.example").cert_chain_pems[0].bytes().decode())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def _files(folder: Path) -> tuple[Path, Path]:
    return folder / CERTIFICATE, folder / PRIVATE_KEY


@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_a_good_pair_is_read_and_can_be_used(tmp_path: Path, authority: Authority, kind: trustme.KeyType) -> None:
    ends = datetime.datetime(2049, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    authority.issue(tmp_path, SERVER_NAME, f"*.{SERVER_NAME}", ends=ends, kind=kind)
    pair = read_pair(*_files(tmp_path))
    assert pair.facts.ends == ends.timestamp()
    assert pair.warnings(SERVER_NAME) == []
    assert pair.facts.is_for(f"laptop.{SERVER_NAME}")
    assert not pair.facts.is_for(f"a.laptop.{SERVER_NAME}")
    pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_what_is_missing_is_named(tmp_path: Path, authority: Authority) -> None:
    authority.issue(tmp_path)
    certificate, key = _files(tmp_path)
    with pytest.raises(CertificateError, match=r"^tls\.private_key: .*/nowhere cannot be read: No such file"):
        read_pair(certificate, tmp_path / "nowhere")
    with pytest.raises(CertificateError, match=r"^tls\.certificate: .*/nowhere cannot be read: No such file"):
        read_pair(tmp_path / "nowhere", key)
    with pytest.raises(CertificateError, match=r"^tls\.certificate: .* cannot be read: Is a directory"):
        read_pair(tmp_path, key)


def test_files_in_the_wrong_places_are_told(tmp_path: Path, authority: Authority) -> None:
    authority.issue(tmp_path)
    certificate, key = _files(tmp_path)
    with pytest.raises(CertificateError, match="holds no certificate in PEM form"):
        read_pair(key, key)
    with pytest.raises(CertificateError, match="it holds no private key in PEM form"):
        read_pair(certificate, certificate)


def test_a_key_of_another_certificate_is_told(tmp_path: Path, authority: Authority) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        authority.issue(tmp_path / name)
    with pytest.raises(CertificateError, match=r"^tls\.private_key: .*does not belong to the certificate"):
        read_pair(tmp_path / "one" / CERTIFICATE, tmp_path / "other" / PRIVATE_KEY)


def test_a_key_with_a_password_is_told_and_asks_nobody(tmp_path: Path, authority: Authority) -> None:
    authority.issue(tmp_path)
    certificate, key = _files(tmp_path)
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    password = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, password))
    with pytest.raises(CertificateError, match="the key is encrypted: take off its password"):
        read_pair(certificate, key)


def test_a_certificate_that_ends_soon_or_has_ended_or_is_for_others_is_warned_of(
    tmp_path: Path, authority: Authority
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    for ends, words in (
        (now - datetime.timedelta(hours=1), "it ended on"),
        (now + datetime.timedelta(days=13), "it ends on"),
    ):
        authority.issue(tmp_path, SERVER_NAME, ends=ends)
        [warning] = read_pair(*_files(tmp_path)).warnings(SERVER_NAME)
        assert warning.startswith(words)
    authority.issue(tmp_path, SERVER_NAME, ends=now + datetime.timedelta(days=15))
    pair = read_pair(*_files(tmp_path))
    assert pair.warnings("") == []
    assert pair.warnings("other.example") == [f"it is not for tls.server_name, other.example, but for {SERVER_NAME}"]


@given(st.data())
def test_no_mutated_certificate_raises_another_error(data: st.DataObject) -> None:
    der = bytearray(_DER)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(der)), st.integers(0, len(der))))
    try:
        assert read_certificate(bytes(der[:cut])).ends
    except ValueError:
        return
