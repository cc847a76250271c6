"""The files of `tls.clients`, read: CAs, and CRLs that speak for all of a CA's certificates. Imports cryptography."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from resolver.config.authority_facts import UNREADABLE, may_sign_certificates
from resolver.config.client_authorities import CA, CRL, ClientAuthorities
from resolver.errors import ListenError

_MOST_CA_BYTES: Final = 1 << 20
_MOST_CRL_BYTES: Final = 8 << 20  # some 200,000 certificates, which a worker reads within its supervisor's patience
_MOST_AUTHORITIES: Final = 100
_PEM: Final = b"-----BEGIN"
_CRL_BEGINS: Final = b"-----BEGIN X509 CRL-----"

# Critical extensions of a CRL that are understood; another one may say that a CRL means something else (RFC 5280
# section 5.2).
_UNDERSTOOD: Final = (x509.AuthorityKeyIdentifier, x509.CRLNumber, x509.IssuingDistributionPoint)


def read_authorities(ca: Path, crl: Path | None) -> ClientAuthorities:
    """Read both files. Raises ListenError that says what is wrong with which."""
    return AuthorityFiles(ca, crl).read()


class AuthorityFiles:
    """The files of CAs and CRLs, made sense of only when there are other octets in them: a large CRL takes a second."""

    def __init__(self, ca: Path, crl: Path | None) -> None:
        self._ca, self._crl = ca, crl
        self._digest = b""  # of what was read last
        self._found: ClientAuthorities | ListenError

    def read(self) -> ClientAuthorities:
        """Read both files; the same CAs where nothing has changed. Raises ListenError as `read_authorities`."""
        ca = _read(CA, self._ca, _MOST_CA_BYTES)
        crl = None if self._crl is None else _read(CRL, self._crl, _MOST_CRL_BYTES)
        digest = hashlib.sha256(ca).digest() + hashlib.sha256(crl or b"").digest()
        if digest != self._digest:
            self._digest = digest
            try:
                self._found = self._parsed(ca, crl)
            except ListenError as error:
                self._found = error
        if isinstance(self._found, ListenError):
            raise ListenError(str(self._found))
        return self._found

    def _parsed(self, ca: bytes, crl: bytes | None) -> ClientAuthorities:
        certificates = _authorities_of(self._ca, ca)
        if self._crl is None or crl is None:
            return ClientAuthorities(certificates, ())
        crls = _crls_of(self._crl, crl)
        try:
            return ClientAuthorities(certificates, crls)
        except UNREADABLE as error:
            raise ListenError(f"{CRL}: {self._crl} cannot be read: {error}") from error
        except ListenError as error:
            raise ListenError(f"{error} ({self._crl})") from error


def _read(key: str, path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ListenError(f"{key}: {path} cannot be read: {error.strerror or error}") from error
    if len(content) > most:
        raise ListenError(f"{key}: {path} is too large: at most {most >> 20} MiB")
    return content


def _authorities_of(path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except UNREADABLE as error:
        raise ListenError(f"{CA}: {path} contains no certificates in PEM form: {error}") from error
    if len(certificates) > _MOST_AUTHORITIES:
        raise ListenError(f"{CA}: {path} contains {len(certificates)} certificates: at most {_MOST_AUTHORITIES}")
    for number, one in enumerate(certificates, 1):
        if why := _why_no_authority(number, one):
            raise ListenError(f"{CA}: {path}: {why}")
    return certificates


def _why_no_authority(number: int, certificate: x509.Certificate) -> str:
    """Why the certificate of that number in the file signs no others; "" where it does."""
    try:
        name = certificate.subject.rfc4514_string()
        certificate.public_key()  # here, where it can be said which certificate has a wrong form
        of_ca = [one.value for one in certificate.extensions if isinstance(one.value, x509.BasicConstraints)]
        may_sign = may_sign_certificates(certificate)
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        return f"certificate {number} cannot be read: {error}"
    if not any(one.ca for one in of_ca):
        return f"the certificate of {name!r} is no CA's (basicConstraints CA:TRUE)"
    return "" if may_sign else f"the certificate of {name!r} may sign no certificates (keyUsage keyCertSign)"


def _crls_of(path: Path, content: bytes) -> list[x509.CertificateRevocationList]:
    """The CRLs in a file: one as DER, or any number as PEM."""
    try:
        if _PEM in content:
            crls = [x509.load_pem_x509_crl(_CRL_BEGINS + part) for part in content.split(_CRL_BEGINS)[1:]]
        else:
            crls = [x509.load_der_x509_crl(content)]
        for crl in crls:
            _check_crl(path, crl)
    except UNREADABLE as error:
        raise ListenError(f"{CRL}: {path} is no CRL in PEM or DER form: {error}") from error
    if not crls:
        raise ListenError(f"{CRL}: {path} contains no CRL in PEM form")
    return crls


def _check_crl(path: Path, crl: x509.CertificateRevocationList) -> None:
    """Refuse a CRL that does not speak for all certificates of its CA (RFC 5280 section 5.2), or for ever."""
    for extension in crl.extensions:
        found = extension.value
        if isinstance(found, x509.DeltaCRLIndicator):
            raise ListenError(f"{CRL}: {path} is a delta CRL: name the full one")
        if isinstance(found, x509.IssuingDistributionPoint) and (why := _why_partial(found)):
            raise ListenError(
                f"{CRL}: {path} is a part of a CRL ({why}): name a full one, without issuingDistributionPoint"
            )
        if extension.critical and not isinstance(found, _UNDERSTOOD):
            raise ListenError(f"{CRL}: {path} has a critical extension that is unknown: {extension.oid.dotted_string}")
    if crl.next_update_utc is None:
        raise ListenError(f"{CRL}: {path} does not say by when it is renewed (nextUpdate): it could never be too old")


def _why_partial(scope: x509.IssuingDistributionPoint) -> str:
    """Whose certificates or reasons a CRL is for alone; "" for all of clients'."""
    reasons = {
        "for one distribution point": scope.full_name or scope.relative_name,
        "indirect": scope.indirect_crl,
        "for CAs": scope.only_contains_ca_certs,
        "for attributes": scope.only_contains_attribute_certs,
        "for some reasons": scope.only_some_reasons,
    }
    return next((why for why, says in reasons.items() if says), "")
