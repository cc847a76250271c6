"""A certificate with its key: read from PEM files, checked, and put into TLS contexts that may be in use."""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from resolver.der import CertificateFacts, read_certificate
from resolver.errors import CertificateError

ENDING_SECONDS: Final = 14 * 86400
"""So long before its end a certificate is spoken of."""

_MOST_BYTES = 1 << 20
_END = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Pair:
    """What the files of a certificate and its key held when they were read. It can be put into a context."""

    certificate: bytes
    private_key: bytes
    facts: CertificateFacts

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have a context's new connections use it. Raises CertificateError, and may then leave the context unusable.

        The context takes files only, so it gets some that exist in memory alone: what was checked is what is loaded,
        whatever is written to the real ones meanwhile.
        """
        with _in_memory(self.certificate) as certificate, _in_memory(self.private_key) as key:
            try:
                context.load_cert_chain(_path_of(certificate), _path_of(key), password=_no_password)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise CertificateError(_why(error)) from error

    def warnings(self, server_name: str) -> list[str]:
        """What an admin should know of it, as sentences."""
        said = []
        left = self.facts.ends - time.time()
        day = datetime.fromtimestamp(self.facts.ends, UTC).date()
        if left <= 0:
            said.append(f"it ended on {day}: clients refuse it; renew it and send SIGHUP")
        elif left < ENDING_SECONDS:
            said.append(f"it ends on {day}, in {left / 86400:.1f} days: renew it and send SIGHUP")
        if server_name and not self.facts.is_for(server_name):
            names = ", ".join(self.facts.names) or "no name at all"
            said.append(f"it is not for tls.server_name, {server_name}, but for {names}")
        return said


def read_pair(certificate: Path, private_key: Path) -> Pair:
    """Read a certificate and its key, and see that they can be used. Raises CertificateError, which says what to do."""
    chain, key = _read(certificate, "certificate"), _read(private_key, "private_key")
    try:
        text = chain.decode("ascii", "replace")
        facts = read_certificate(
            ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERT") : text.index(_END)] + _END)
        )
    except ValueError:
        raise CertificateError(f"tls.certificate: {certificate} holds no certificate in PEM form") from None
    pair = Pair(chain, key, facts)
    try:
        pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except CertificateError as error:
        raise CertificateError(f"tls.private_key: {private_key} with {certificate}: {error}") from None
    return pair


def _read(path: Path, key: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"tls.{key}: {path} cannot be read: {error.strerror or error}") from error
    if len(content) > _MOST_BYTES:
        raise CertificateError(f"tls.{key}: {path} is larger than {_MOST_BYTES >> 20} MiB")
    return content


class _in_memory:  # noqa: N801 (used as a function)
    """A file with this content, in memory only; gives its descriptor."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __enter__(self) -> int:
        self._descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(self._descriptor), "wb") as file:
            file.write(self._content)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _path_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _no_password() -> str:
    """Nobody is there to be asked."""
    raise ValueError("the key is encrypted: take off its password ('openssl pkey -in KEY -out NEW')")


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate: give the two files of one pair"
    if isinstance(error, ssl.SSLError) and not reason:
        return "it holds no private key in PEM form"
    return reason.replace("_", " ").lower() or str(error)
