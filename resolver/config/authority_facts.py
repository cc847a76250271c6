"""Facts of CAs and CRLs, read by cryptography: who has signed what, and who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

UNREADABLE: Final = (
    *(ValueError, TypeError),
    *(x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType),
)
"""Errors of cryptography for octets, whole or in part, that have no form of a certificate or a CRL."""


def may_sign_certificates(authority: x509.Certificate) -> bool:
    """Whether keyUsage, where there is any, has keyCertSign (RFC 5280 section 4.2.1.3)."""
    usage = _usage_of(authority)
    return usage is None or usage.key_cert_sign


def may_sign_crls(authority: x509.Certificate) -> bool:
    """Whether keyUsage, where there is any, has cRLSign."""
    usage = _usage_of(authority)
    return usage is None or usage.crl_sign


def _usage_of(authority: x509.Certificate) -> x509.KeyUsage | None:
    return next((one.value for one in authority.extensions if isinstance(one.value, x509.KeyUsage)), None)


def has_extension(one: x509.Certificate | x509.CertificateRevocationList, kind: type[x509.ExtensionType]) -> bool:
    """Whether it has an extension of that kind."""
    return any(isinstance(extension.value, kind) for extension in one.extensions)


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether a CA of that subject and key has signed a certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Whether a CA's key has signed a CRL."""
    key = cast("CertificateIssuerPublicKeyTypes", authority.public_key())
    try:
        return crl.is_signature_valid(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: a key that signs nothing, as X25519
        return False


def name_of(authority: x509.Certificate, *, has_namesakes: bool) -> str:
    """A CA's subject, for people; with the beginning of its key identifier where others have that, too."""
    name = repr(authority.subject.rfc4514_string())
    if not has_namesakes:
        return name
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.public_key()).digest  # openssl shows it
    return f"{name} (key {identifier[:4].hex(':').upper()}…)"
