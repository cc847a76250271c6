"""Certificates for tests: an authority that clients trust, and pairs for the server."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme

SERVER_NAME = "dns.example.test"
CERTIFICATE = "certificate.pem"
PRIVATE_KEY = "key.pem"


class Authority:
    """An authority; `file` is what clients trust."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "authority.pem"
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(
        self,
        folder: Path,
        *names: str,
        ends: datetime.datetime | None = None,
        kind: trustme.KeyType = trustme.KeyType.ECDSA,
    ) -> None:
        """Write another certificate and its key into a folder, by default for `SERVER_NAME` and the names below it."""
        names = names or (SERVER_NAME, f"*.{SERVER_NAME}", "127.0.0.1", "::1")
        pair = self._authority.issue_cert(*names, not_after=ends, key_type=kind)
        _replace(folder / PRIVATE_KEY, pair.private_key_pem.bytes())
        _replace(folder / CERTIFICATE, b"".join(blob.bytes() for blob in pair.cert_chain_pems))


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
