"""Header fields of requests over HTTP/2: which sets of them are a request (RFC 9113 sections 8.2 and 8.3). No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from resolver.listeners.doh import RequestHead, gathered
from resolver.listeners.http2_frames import PROTOCOL_ERROR, Http2Violation

_NAME: Final = re.compile(rb":?[^\x00-\x20:A-Z\x7f-\xff]+\Z")  # section 8.2.1
_VALUE: Final = re.compile(rb"(?:[^\x00\n\r\t ](?:[^\x00\n\r]*[^\x00\n\r\t ])?)?\Z")
_PSEUDO: Final = frozenset([b":method", b":scheme", b":authority", b":path"])
_OF_CONNECTIONS: Final = frozenset(
    [b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"]
)
_LENGTH: Final = re.compile(r"[0-9]{1,18}\Z")
LENGTH_UNSAID: Final = -1


class Http2Head:
    """A request's fields but for its path, which may be another one each time."""

    def __init__(self, head: RequestHead, length: int) -> None:
        self.head = head
        self.length = length  # octets of the body, as content-length says; or LENGTH_UNSAID


def request_of(fields: Sequence[tuple[bytes, bytes]]) -> tuple[Http2Head, str]:
    """The request that a header block begins, and its path. Raises Http2Violation where it is none."""
    _check(fields)
    seen: set[bytes] = set()
    for name, value in fields:
        if not name.startswith(b":"):
            break
        if name in seen or name not in _PSEUDO or not value:
            raise _malformed()
        seen.add(name)
    if any(name.startswith(b":") for name, _ in fields[len(seen) :]):  # behind another field
        raise _malformed()
    headers = gathered((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
    method, path = headers.get(":method", ""), headers.get(":path", "")
    if method == "CONNECT":
        if seen != {b":method", b":authority"}:
            raise _malformed()
    elif not (method and path and ":scheme" in headers):
        raise _malformed()
    authority, host = headers.get(":authority"), headers.get("host")
    if (authority is None and host is None) or (authority is not None and host is not None and authority != host):
        raise _malformed()
    return Http2Head(RequestHead(method, headers), _length_of(headers)), path


def check_path(path: bytes) -> str:
    """A path by itself, of a request whose other fields are known. Raises Http2Violation."""
    if not path or not _VALUE.match(path):
        raise _malformed()
    return path.decode("latin-1")


def check_trailers(fields: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise Http2Violation for fields that cannot follow a body (section 8.1)."""
    _check(fields)
    if any(name.startswith(b":") for name, _ in fields):
        raise _malformed()


def _check(fields: Sequence[tuple[bytes, bytes]]) -> None:
    for name, value in fields:
        if not _NAME.match(name) or not _VALUE.match(value) or name in _OF_CONNECTIONS:
            raise _malformed()
        if name == b"te" and value.lower() != b"trailers":
            raise _malformed()


def _length_of(headers: dict[str, str]) -> int:
    said = headers.get("content-length")
    if said is None:
        return LENGTH_UNSAID
    values = {part.strip() for part in said.split(",")}  # all the same (RFC 9110 section 8.6)
    if len(values) != 1 or not _LENGTH.match(said := values.pop()):
        raise _malformed()
    return int(said)


def _malformed() -> Http2Violation:
    return Http2Violation(PROTOCOL_ERROR)
