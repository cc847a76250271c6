"""CAs whose client certificates are taken, with their CRLs: read from files, and asked about one certificate.

The one judge of a certificate at any time: TLS looks at it in full handshakes only, not when a session is resumed and
not while a connection is open. Imports cryptography, so only by whoever has `tls.clients.ca`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from resolver.config.certificate_names import identity_of
from resolver.errors import ListenError

_CA, _CRL = "tls.clients.ca", "tls.clients.crl"
_MOST_CA_BYTES: Final = 1 << 20
_MOST_CRL_BYTES: Final = 8 << 20  # some 200,000 certificates, which a worker reads within its supervisor's patience
_MOST_AUTHORITIES: Final = 100
_SOON: Final = timedelta(days=14)
_PEM: Final = b"-----BEGIN"
_CRL_BEGINS: Final = b"-----BEGIN X509 CRL-----"


class Fault(StrEnum):
    """Faults of a client's certificate: why it is refused. Their number is bounded, so they are labels."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    UNKNOWN_CA = "unknown_ca"
    NO_VALID_CRL = "no_valid_crl"  # of its CA: none, or one whose time is over
    MISSING = "missing"  # there is none, and tls.clients.required is set
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Proof:
    """A certificate that is taken, until `until` (Unix time) unless something is changed.

    `identity` says who its client is; "" where none of its names can.
    """

    identity: str
    until: float


@dataclass(frozen=True, slots=True)
class _Crl:
    begins: datetime
    ends: datetime
    serials: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    crl: _Crl | None


class ClientAuthorities:
    """The CAs of `tls.clients.ca`, and the newest CRL of each."""

    def __init__(
        self, certificates: Sequence[x509.Certificate], crls: Sequence[x509.CertificateRevocationList]
    ) -> None:
        """`crls` are by these CAs; with none at all, nobody is asked whether a certificate is revoked."""
        newest = {self._maker_of(crl, certificates): crl for crl in sorted(crls, key=lambda crl: crl.last_update_utc)}
        self._has_crls = bool(crls)
        self._authorities = [
            _Authority(one, _read_crl(newest[place]) if place in newest else None)
            for place, one in enumerate(certificates)
        ]
        self.certificates_pem = b"".join(one.public_bytes(Encoding.PEM) for one in certificates).decode()
        self.crls_pem = b"".join(crl.public_bytes(Encoding.PEM) for crl in newest.values())

    @staticmethod
    def _maker_of(crl: x509.CertificateRevocationList, certificates: Sequence[x509.Certificate]) -> int:
        """The place of the CA that signed a CRL. Raises ListenError where none did."""
        named = [place for place, one in enumerate(certificates) if one.subject == crl.issuer]
        for place in named:
            if _is_signed_by(crl, certificates[place]):
                return place
        name = crl.issuer.rfc4514_string()
        why = "but with the key of another CA" if named else "which is no CA in tls.clients.ca"
        raise ListenError(f"{_CRL}: the CRL is issued by {name!r}, {why}")

    def judge(self, der: bytes, now: datetime) -> Proof | Fault:
        """The proof that a certificate is, or what is wrong with it at `now`."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            identity = identity_of(certificate)
            serial, issuer = certificate.serial_number, certificate.issuer
        except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType):
            return Fault.UNUSABLE
        signed_by = (one for one in self._authorities if one.certificate.subject == issuer)
        authority = next((one for one in signed_by if _is_issued_by(certificate, one.certificate)), None)
        if authority is None:
            return Fault.UNKNOWN_CA
        begins = max(certificate.not_valid_before_utc, authority.certificate.not_valid_before_utc)
        ends = min(certificate.not_valid_after_utc, authority.certificate.not_valid_after_utc)
        if now > ends:
            return Fault.EXPIRED
        if now < begins:
            return Fault.NOT_YET_VALID
        if self._has_crls:
            crl = authority.crl
            if crl is None or not crl.begins <= now <= crl.ends:
                return Fault.NO_VALID_CRL
            if serial in crl.serials:
                return Fault.REVOKED
            ends = min(ends, crl.ends)
        return Proof(identity, ends.timestamp())

    def notes(self, now: datetime) -> Iterator[str]:
        """Troubles that are there or will be soon, as sentences."""
        for one in self._authorities:
            name = one.certificate.subject.rfc4514_string()
            if one.certificate.not_valid_after_utc - now < _SOON:
                yield f"{_CA}: the CA {name!r} ends at {_shown(one.certificate.not_valid_after_utc)}: renew it"
            if self._has_crls and one.crl is None:
                yield f"{_CRL}: there is no CRL of {name!r}: all certificates of this CA are refused"
        yield from (trouble for trouble, since in self.troubles_to_come.items() if since < now)

    @property
    def troubles_to_come(self) -> dict[str, datetime]:
        """Sentences that become true when the time of a CRL is over, and when that is."""
        return {
            f"{_CRL}: the CRL of {one.certificate.subject.rfc4514_string()!r} was to be renewed by "
            f"{_shown(one.crl.ends)}: client certificates of this CA are refused": one.crl.ends
            for one in self._authorities
            if one.crl is not None
        }

    @property
    def first_end(self) -> datetime:
        """When the first of the CAs ends."""
        return min(one.certificate.not_valid_after_utc for one in self._authorities)


def read_authorities(ca: Path, crl: Path | None) -> ClientAuthorities:
    """Read both files. Raises ListenError that says what is wrong with which."""
    content = _read(_CA, ca, _MOST_CA_BYTES)
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise ListenError(f"{_CA}: {ca} contains no certificates in PEM form: {error}") from error
    if len(certificates) > _MOST_AUTHORITIES:
        raise ListenError(f"{_CA}: {ca} contains {len(certificates)} certificates: at most {_MOST_AUTHORITIES}")
    for one in certificates:
        if not _is_ca(one):
            name = one.subject.rfc4514_string()
            raise ListenError(f"{_CA}: {ca}: the certificate of {name!r} is no CA's (basicConstraints CA:TRUE)")
    crls = [] if crl is None else _crls_of(crl, _read(_CRL, crl, _MOST_CRL_BYTES))
    try:
        return ClientAuthorities(certificates, crls)
    except ValueError as error:
        raise ListenError(f"{_CRL}: {crl} cannot be read: {error}") from error
    except ListenError as error:
        raise ListenError(f"{error} ({crl})") from error


def _read(key: str, path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ListenError(f"{key}: {path} cannot be read: {error.strerror or error}") from error
    if len(content) > most:
        raise ListenError(f"{key}: {path} is too large: at most {most >> 20} MiB")
    return content


def _crls_of(path: Path, content: bytes) -> list[x509.CertificateRevocationList]:
    """The CRLs in a file: one as DER, or any number as PEM."""
    try:
        if _PEM in content:
            crls = [x509.load_pem_x509_crl(_CRL_BEGINS + part) for part in content.split(_CRL_BEGINS)[1:]]
        else:
            crls = [x509.load_der_x509_crl(content)]
        for crl in crls:
            _check_crl(path, crl)
    except ValueError as error:
        raise ListenError(f"{_CRL}: {path} is no CRL in PEM or DER form: {error}") from error
    if not crls:
        raise ListenError(f"{_CRL}: {path} contains no CRL in PEM form")
    return crls


def _check_crl(path: Path, crl: x509.CertificateRevocationList) -> None:
    """Refuse a CRL that does not speak for all certificates of its CA (RFC 5280 section 5.2), or for ever."""
    extensions = crl.extensions
    for kind, what in ((x509.DeltaCRLIndicator, "a delta CRL"), (x509.IssuingDistributionPoint, "a part of a CRL")):
        try:
            found = extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            continue
        if not isinstance(found, x509.IssuingDistributionPoint) or _is_partial(found):
            raise ListenError(f"{_CRL}: {path} is {what}: name the full one")
    if crl.next_update_utc is None:
        raise ListenError(f"{_CRL}: {path} does not say by when it is renewed (nextUpdate): it could never be too old")


def _is_partial(scope: x509.IssuingDistributionPoint) -> bool:
    return bool(
        scope.only_contains_ca_certs
        or scope.only_contains_attribute_certs
        or scope.indirect_crl
        or scope.only_some_reasons
    )


def _read_crl(crl: x509.CertificateRevocationList) -> _Crl:
    ends = crl.next_update_utc or datetime.min.replace(tzinfo=UTC)
    return _Crl(crl.last_update_utc, ends, frozenset(one.serial_number for one in crl))


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
