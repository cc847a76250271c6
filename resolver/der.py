"""As much of a certificate (RFC 5280 section 4.1) as we tell of: until when it is good, for whom, its kind of key.

Python's ssl tells these of a peer that it has verified only, and not of a server's own certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

_OCTETS, _OID, _UTC_TIME, _TIME, _SEQUENCE = 0x04, 0x06, 0x17, 0x18, 0x30
_VERSION, _EXTENSIONS = 0xA0, 0xA3  # explicit tags 0 and 3
_DNS_NAME = 0x82  # GeneralName, tag 2
_SUBJECT_ALT_NAME = b"\x55\x1d\x11"  # 2.5.29.17


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`ends` in seconds since 1970; `names` are the DNS names, in lower case; `key_kind` is the key's algorithm."""

    ends: float
    names: tuple[str, ...]
    key_kind: bytes

    def is_for(self, name: str) -> bool:
        """Whether a client that asks for this host name accepts it (RFC 9525 section 6.3: a wildcard is one label)."""
        parent = name.partition(".")[2]
        return name in self.names or (bool(parent) and f"*.{parent}" in self.names)


def read_certificate(der: bytes) -> CertificateFacts:
    """Read a certificate. Raises ValueError for what is none."""
    tag, certificate, _ = _element(der)
    if tag != _SEQUENCE:
        raise ValueError("no certificate")
    fields = _elements(_element(certificate)[1])
    at = 1 if fields and fields[0][0] == _VERSION else 0
    if len(fields) < at + 6:  # serial number, signature, issuer, validity, subject, key
        raise ValueError("a certificate that is cut off")
    validity, key = _elements(fields[at + 3][1]), _elements(fields[at + 5][1])
    if len(validity) != 2 or not key:
        raise ValueError("a certificate without validity or key")
    return CertificateFacts(_moment(*validity[1]), tuple(_names(fields[at + 6 :])), key[0][1])


def _names(fields: list[tuple[int, bytes]]) -> list[str]:
    for tag, content in fields:
        if tag != _EXTENSIONS:
            continue
        for _, extension in _elements(_element(content)[1]):
            parts = _elements(extension)
            if len(parts) >= 2 and parts[0] == (_OID, _SUBJECT_ALT_NAME) and parts[-1][0] == _OCTETS:
                names = _elements(_element(parts[-1][1])[1])
                return [value.decode("ascii").lower() for kind, value in names if kind == _DNS_NAME]
    return []


def _moment(tag: int, content: bytes) -> float:
    """A time as certificates write it (RFC 5280 section 4.1.2.5), in seconds since 1970."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        tag, content, data = _element(data)
        found.append((tag, content))
    return found


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element: its tag, its content, and what is behind it (X.690 section 8.1)."""
    if len(data) < 2:
        raise ValueError("DER that is cut off")
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or len(data) < at + count:
            raise ValueError("a length that DER does not have")
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    if len(data) < at + length:
        raise ValueError("DER that is cut off")
    return tag, data[at : at + length], data[at + length :]
