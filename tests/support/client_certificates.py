"""A CA for clients' certificates, with its CRL: files as an administrator has them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from resolver.config.client_authorities import ClientAuthorities, Fault, Proof

_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
DAY = timedelta(days=1)


def mail(text: str) -> x509.GeneralName:
    """A mail address in a certificate."""
    return x509.RFC822Name(text)


def upn(text: str) -> x509.GeneralName:
    """A Windows user's name in a certificate, as DER has it."""
    octets = text.encode()
    length = bytes((len(octets),)) if len(octets) < 128 else bytes((0x81, len(octets)))
    return x509.OtherName(_UPN, b"\x0c" + length + octets)


def judged(authorities: ClientAuthorities, der: bytes, now: datetime | None = None) -> Proof | Fault:
    """What comes of a certificate that is shown, at a time (now)."""
    shown = authorities.read(der)
    return shown if isinstance(shown, Fault) else authorities.judge(shown, now or datetime.now(UTC))


def joined(file: Path, *parts: Path) -> Path:
    """A file with all that is in others."""
    file.write_bytes(b"".join(part.read_bytes() for part in parts))
    return file


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client's certificate and key."""

    x509: x509.Certificate
    certificate: Path
    private_key: Path

    @property
    def der(self) -> bytes:
        """The certificate as TLS has it."""
        return self.x509.public_bytes(Encoding.DER)

    @property
    def of_kdig(self) -> tuple[str, ...]:
        """Arguments for kdig."""
        return f"+tls-certfile={self.certificate}", f"+tls-keyfile={self.private_key}"

    @property
    def of_curl(self) -> tuple[str, ...]:
        """Arguments for curl."""
        return "--cert", str(self.certificate), "--key", str(self.private_key)

    @property
    def of_openssl(self) -> tuple[str, ...]:
        """Arguments for openssl s_client."""
        return "-cert", str(self.certificate), "-key", str(self.private_key)


class ClientAuthority:
    """A CA in a folder: `ca` and `crl` are its files."""

    def __init__(
        self,
        folder: Path,
        name: str = "Clients of corp.example",
        *,
        begins_in: timedelta = -400 * DAY,
        ends_in: timedelta = 365 * DAY,
        key_of: ClientAuthority | None = None,
        signs_certificates: bool = True,
        signs_crls: bool = True,
        has_identifiers: bool = True,
    ) -> None:
        """With `key_of`, it is that CA, renewed. `has_identifiers`: keys are named in whatever it signs."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca, self.crl = folder / "clients-ca.pem", folder / "clients.crl"
        self._key = key_of._key if key_of else ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._numbers: Iterator[int] = key_of._numbers if key_of else itertools.count(1)
        self._has_identifiers = has_identifiers
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            key_cert_sign=signs_certificates,
            crl_sign=signs_crls,
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            self._builder(self._name, self._key.public_key(), now + begins_in, now + ends_in)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        if has_identifiers:
            identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
            builder = builder.add_extension(identifier, critical=False)
        self.x509 = builder.sign(self._key, hashes.SHA256())
        self.ca.write_bytes(self.x509.public_bytes(Encoding.PEM))
        self.write_crl()

    @property
    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(next(self._numbers))
            .not_valid_before(begins)
            .not_valid_after(ends)
        )

    def issue(
        self,
        *names: x509.GeneralName,
        begins_in: timedelta = -DAY,
        ends_in: timedelta = 30 * DAY,
        usage: ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> ClientCertificate:
        """A certificate with these names, as files of its own."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whoever@corp.example")])
        builder = self._builder(subject, key.public_key(), now + begins_in, now + ends_in)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if self._has_identifiers:
            builder = builder.add_extension(self._identifier, critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        path = self.folder / f"client-{made.serial_number}"
        certificate, private_key = path.with_suffix(".pem"), path.with_suffix(".key")
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        private_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return ClientCertificate(made, certificate, private_key)

    def crl_of(
        self,
        revoked: Iterable[ClientCertificate] = (),
        *,
        begins_in: timedelta = -DAY,
        ends_in: timedelta = DAY,
        extensions: Iterable[x509.ExtensionType] = (),
    ) -> x509.CertificateRevocationList:
        """The list of those that are revoked."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder()
        builder = builder.issuer_name(self._name).last_update(now + begins_in).next_update(now + ends_in)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.x509.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        if self._has_identifiers:
            builder = builder.add_extension(self._identifier, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def write_crl(
        self,
        revoked: Iterable[ClientCertificate] = (),
        *,
        begins_in: timedelta = -DAY,
        ends_in: timedelta = DAY,
        encoding: Encoding = Encoding.PEM,
    ) -> None:
        """Put a new list in the place of the one before."""
        made = self.crl_of(revoked, begins_in=begins_in, ends_in=ends_in)
        self.crl.write_bytes(made.public_bytes(encoding))
