"""A server that serves DoT and DoH, with a certificate that only those believe who are told, and its upstream."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.encrypted import Certificates
from tests.support.moatdns import Moatdns
from tests.support.stub import StubUpstream


@dataclass(frozen=True, slots=True)
class Secure:
    """A running server and its certificate."""

    server: Moatdns
    certificates: Certificates

    @property
    def key_hash(self) -> str:
        """SHA-256 of the certificate's public key (SubjectPublicKeyInfo), in Base64."""
        key = x509.load_pem_x509_certificate(self.certificates.certificate.read_bytes()).public_key()
        octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(octets).digest()).decode()

    def log_rows(self, name: str) -> list[dict[str, object]]:
        """What the query log has of a name."""
        rows: list[dict[str, object]] = self.server.api.get(f"queries?name={name}&limit=1000")["items"]
        return rows


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """The only upstream of `secure`."""
    with StubUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, upstream: StubUpstream) -> Iterator[Secure]:
    """A server whose query log has everything."""
    folder = tmp_path_factory.mktemp("secure")
    certificates = Certificates(folder / "tls")
    config = {
        "workers": 1,
        "upstream": {"servers": [upstream.server], "private_names": ["example", "claude.ai"]},
        "query_log": {"what": "all"},
    }
    with Moatdns(folder / "moatdns", config, with_api=True, certificates=certificates) as moatdns:
        yield Secure(moatdns, certificates)
