"""CAs whose client certificates are taken, with their CRLs: asked about one certificate at a time.

The one judge of a certificate at any time: TLS looks at it in full handshakes only, not when a session is resumed and
not while a connection is open. Imports cryptography, so only by whoever has `tls.clients.ca`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from resolver.config.authority_facts import (
    UNREADABLE,
    has_extension,
    is_issued_by,
    is_signed_by,
    may_sign_crls,
    name_of,
)
from resolver.config.certificate_names import identity_of
from resolver.errors import ListenError

CA: Final = "tls.clients.ca"
CRL: Final = "tls.clients.crl"
_SOON: Final = timedelta(days=14)
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)
_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)

Maker = tuple[x509.Name, bytes]
"""Subject and public key (DER) of a CA. All its certificates have both: a renewed or cross-signed one, too."""


class Fault(StrEnum):
    """Faults of a client's certificate: why it is refused. Their number is bounded, so they are labels."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    UNKNOWN_CA = "unknown_ca"
    NO_VALID_CRL = "no_valid_crl"  # of its CA: none, one whose time is over, or is still to come
    MISSING = "missing"  # there is none, and tls.clients.required is set
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """A certificate that a CA has signed, as far as it is judged: its octets need not be read again."""

    identity: str  # "" where none of its names can be one
    serial: int
    begins: datetime
    ends: datetime
    maker: Maker


@dataclass(frozen=True, slots=True)
class Proof:
    """A certificate that is taken, until `until` (Unix time) unless something is changed.

    `identity` says who its client is; "" where none of its names can.
    """

    identity: str
    until: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """Reason why all certificates of a CA are refused, as a sentence, and when it is one."""

    text: str
    begins: datetime = _ALWAYS
    ends: datetime = _FOR_EVER

    def is_there(self, now: datetime) -> bool:
        """Whether it is one now."""
        return self.begins < now < self.ends


@dataclass(frozen=True, slots=True)
class _Crl:
    begins: datetime
    ends: datetime
    serials: frozenset[int]
    has_key_identifier: bool


@dataclass(frozen=True, slots=True)
class _Authority:
    """A CA: all certificates of one subject and key. `name` is for people."""

    name: str
    certificates: tuple[x509.Certificate, ...]
    crl: _Crl | None

    @property
    def ends(self) -> datetime:
        """When the last of its certificates ends."""
        return max(one.not_valid_after_utc for one in self.certificates)

    def until(self, now: datetime) -> datetime | None:
        """The end of the certificate that is valid now, and longest; None while none is."""
        valid = (one for one in self.certificates if one.not_valid_before_utc <= now <= one.not_valid_after_utc)
        return max((one.not_valid_after_utc for one in valid), default=None)


class ClientAuthorities:
    """The CAs of `tls.clients.ca`, and the newest CRL of each."""

    def __init__(
        self, certificates: Sequence[x509.Certificate], crls: Sequence[x509.CertificateRevocationList]
    ) -> None:
        """`crls` are by these CAs; with none at all, nobody is asked whether a certificate is revoked.

        Raises ListenError for a CRL that none of them may have made, UNREADABLE for one that has no form.
        """
        made: dict[Maker, list[x509.Certificate]] = {}
        for one in certificates:
            made.setdefault(_maker_in(one), []).append(one)
        newest = {_maker_of(crl, made): crl for crl in sorted(crls, key=lambda crl: crl.last_update_utc)}
        self._has_crls = bool(crls)
        self._makers: dict[x509.Name, list[Maker]] = {}
        for maker in made:
            self._makers.setdefault(maker[0], []).append(maker)
        self._authorities = {
            maker: _Authority(
                name_of(of_one[0], has_namesakes=len(self._makers[maker[0]]) > 1),
                tuple(of_one),
                _read_crl(newest[maker]) if maker in newest else None,
            )
            for maker, of_one in made.items()
        }
        self.certificates_pem = b"".join(one.public_bytes(Encoding.PEM) for one in certificates).decode()
        self.crls_pem = b"".join(crl.public_bytes(Encoding.PEM) for crl in newest.values())

    def read(self, der: bytes) -> ShownCertificate | Fault:
        """A certificate with the CA that signed it; what is wrong with it where none did."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            identity = identity_of(certificate)
            serial, issuer = certificate.serial_number, certificate.issuer
        except UNREADABLE:
            return Fault.UNUSABLE
        for maker in self._makers.get(issuer, ()):
            if is_issued_by(certificate, self._authorities[maker].certificates[0]):
                times = certificate.not_valid_before_utc, certificate.not_valid_after_utc
                return ShownCertificate(identity, serial, *times, maker)
        return Fault.UNKNOWN_CA

    def judge(self, shown: ShownCertificate, now: datetime) -> Proof | Fault:
        """The proof that a certificate is, or what is wrong with it, by these CAs and their CRLs at `now`.

        It may have been read by other CAs: one that has its key and subject has signed it, too.
        """
        authority = self._authorities.get(shown.maker)
        if authority is None:
            return Fault.UNKNOWN_CA
        until = authority.until(now)
        if now > shown.ends or (until is None and authority.ends < now):
            return Fault.EXPIRED
        if now < shown.begins or until is None:
            return Fault.NOT_YET_VALID
        until = min(until, shown.ends)
        if self._has_crls:
            crl = authority.crl
            if crl is None or not crl.begins <= now <= crl.ends:
                return Fault.NO_VALID_CRL
            if shown.serial in crl.serials:
                return Fault.REVOKED
            until = min(until, crl.ends)
        return Proof(shown.identity, until.timestamp())

    def notes(self, now: datetime) -> Iterator[str]:
        """Troubles that are there or will be soon, as sentences."""
        for one in self._authorities.values():
            if one.ends - now < _SOON:
                yield f"{CA}: the CA {one.name} ends at {_shown(one.ends)}: renew it"
        yield from (trouble.text for trouble in self.troubles if trouble.is_there(now))
        for makers in self._makers.values():
            if len(makers) > 1:
                yield from _notes_on_namesakes([self._authorities[maker] for maker in makers])

    @property
    def troubles(self) -> list[Trouble]:
        """All that a CRL lacks or will, while its CA has certificates at all that could be taken."""
        return [trouble for one in self._authorities.values() for trouble in self._troubles_of(one)]

    def _troubles_of(self, one: _Authority) -> Iterator[Trouble]:
        so = "client certificates of this CA are refused"
        if not self._has_crls:
            return
        if one.crl is None:
            yield Trouble(f"{CRL}: there is no CRL of {one.name}: {so}", ends=one.ends)
            return
        begins, ends = one.crl.begins, one.crl.ends
        ahead = f"{CRL}: the CRL of {one.name} begins at {_shown(begins)} only: {so} until then; compare both clocks"
        yield Trouble(ahead, ends=begins)
        over = f"{CRL}: the CRL of {one.name} was to be renewed by {_shown(ends)}: {so}"
        yield Trouble(over, begins=ends, ends=one.ends)

    @property
    def first_end(self) -> datetime:
        """When the first of the CAs ends."""
        return min(one.ends for one in self._authorities.values())

    @property
    def first_crl_end(self) -> datetime | None:
        """When the first of the CRLs has to be renewed; None where there is none."""
        return min((one.crl.ends for one in self._authorities.values() if one.crl is not None), default=None)


def _notes_on_namesakes(authorities: Sequence[_Authority]) -> Iterator[str]:
    """Of CAs with one subject and several keys, which TLS tells apart by key identifiers alone."""
    yield (
        f"{CA}: {' and '.join(each.name for each in authorities)} are called the same: TLS may refuse certificates of "
        "theirs that have no authorityKeyIdentifier"
    )
    for each in authorities:
        if not all(has_extension(one, x509.SubjectKeyIdentifier) for one in each.certificates):
            yield f"{CA}: the CA {each.name} has no subjectKeyIdentifier: TLS may refuse its certificates; make it anew"
        if each.crl is not None and not each.crl.has_key_identifier:
            yield (
                f"{CRL}: the CRL of {each.name} has no authorityKeyIdentifier: TLS may take it for another CA's, and "
                "refuse certificates; make it anew (crl_extensions of openssl)"
            )


def _maker_in(certificate: x509.Certificate) -> Maker:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.subject, key


def _maker_of(crl: x509.CertificateRevocationList, made: dict[Maker, list[x509.Certificate]]) -> Maker:
    """The CA that signed a CRL. Raises ListenError where none did, or may."""
    named = [maker for maker in made if maker[0] == crl.issuer]
    name = crl.issuer.rfc4514_string()
    for maker in named:
        if is_signed_by(crl, made[maker][0]):
            if all(may_sign_crls(one) for one in made[maker]):
                return maker
            raise ListenError(f"{CRL}: {name!r} has a certificate in {CA} that may sign no CRLs (keyUsage cRLSign)")
    why = f"but with the key of another CA than in {CA}" if named else f"which is no CA in {CA}"
    raise ListenError(f"{CRL}: the CRL is issued by {name!r}, {why}")


def _read_crl(crl: x509.CertificateRevocationList) -> _Crl:
    ends = crl.next_update_utc or _ALWAYS
    serials = frozenset(one.serial_number for one in crl)
    return _Crl(crl.last_update_utc, ends, serials, has_extension(crl, x509.AuthorityKeyIdentifier))


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
