"""DNS in HTTP (RFC 8484), whichever version carries it: what a request asks, and what it is answered. No I/O."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from resolver.listeners.who import is_client_name
from resolver.wire.codes import MAX_MESSAGE
from resolver.wire.freshness import freshness_seconds

PATH: Final = "/dns-query"
MEDIA_TYPE: Final = b"application/dns-message"

Headers = Iterable[tuple[bytes, bytes]]  # names in lower case

_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*\Z")
_ACCEPTED = frozenset({MEDIA_TYPE, b"application/*", b"*/*"})


@dataclass(frozen=True, slots=True)
class Response:
    """What a request is answered: a DNS message, or words."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(slots=True)
class Asked:
    """A request that is in order so far. `query` is None where it is still to come, in the body."""

    query: bytes | None
    name: str  # of the client, from the path; "" for none
    forwarded_for: tuple[bytes, ...]  # the values of X-Forwarded-For


def read_head(method: bytes, target: bytes, headers: Headers) -> Asked | Response:
    """What a request's head asks for, or the response that refuses it."""
    outcome = _read_head(method, target, headers)
    if method == b"HEAD" and isinstance(outcome, Response):
        return replace(outcome, body=b"")  # (RFC 9110 section 9.3.2)
    return outcome


def _read_head(method: bytes, target: bytes, headers: Headers) -> Asked | Response:
    path, _, parameters = target.partition(b"?")
    name = _name_in(path)
    if name is None:
        return refusal(404, f"DNS is served at {PATH}")
    if method not in (b"GET", b"POST"):
        return refusal(405, "DNS is asked for by GET or POST", (b"allow", b"GET, POST"))
    given: dict[bytes, list[bytes]] = {}
    for key, value in headers:
        given.setdefault(key, []).append(value)
    if not _accepts(given.get(b"accept", [])):
        return refusal(406, "DNS comes as application/dns-message")
    asked = Asked(None, name, tuple(given.get(b"x-forwarded-for", ())))
    if method == b"GET":
        query = _query_in(parameters)
        if isinstance(query, Response):
            return query
        asked.query = query
        return asked
    media_type = b",".join(given.get(b"content-type", [])).partition(b";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        return refusal(415, "a query comes as application/dns-message")
    length = given.get(b"content-length", [b"0"])[0]
    if length.isdigit() and (len(length) > 9 or int(length) > MAX_MESSAGE):
        return too_large()
    return asked


def answer(message: bytes) -> Response:
    """The response that carries an answer. It is for this client alone: what others may see, the policy says."""
    seconds = freshness_seconds(message)
    kept = b"no-store" if seconds is None else b"private, max-age=%d" % seconds
    return Response(200, _headers(MEDIA_TYPE, kept, message), message)


def refusal(status: int, why: str, *more: tuple[bytes, bytes]) -> Response:
    """The response to what is no DNS query in HTTP."""
    body = f"{why}\n".encode()
    return Response(status, (*_headers(b"text/plain; charset=utf-8", b"no-store", body), *more), body)


def too_large() -> Response:
    """The response to more octets than a message has."""
    return refusal(413, f"a query has at most {MAX_MESSAGE} octets")


def not_a_query() -> Response:
    """The response to what DNS does not answer at all: too short for a header, or itself a response."""
    return refusal(400, "not a DNS query")


def _headers(media_type: bytes, kept: bytes, body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return (b"content-type", media_type), (b"content-length", b"%d" % len(body)), (b"cache-control", kept)


def _name_in(path: bytes) -> str | None:
    """The client's name in a path, "" where there is none; None for a path that is not ours."""
    text = path.decode("latin-1")
    if text == PATH:
        return ""
    if not text.startswith(f"{PATH}/"):
        return None
    name = text[len(PATH) + 1 :].lower()
    return name if is_client_name(name) else None


def _accepts(values: list[bytes]) -> bool:
    """Whether a client takes what we have (RFC 9110 section 12.5.1); weights are not looked at, there is one choice."""
    ranges = [one.partition(b";")[0].strip().lower() for value in values for one in value.split(b",")]
    return not any(ranges) or any(one in _ACCEPTED for one in ranges)


def _query_in(parameters: bytes) -> bytes | Response:
    """The query in a URL (RFC 8484 section 4.1.1): base64url without padding (section 6)."""
    values = [value for key, _, value in (one.partition(b"=") for one in parameters.split(b"&")) if key == b"dns"]
    if len(values) != 1 or not values[0]:
        return refusal(400, "the parameter 'dns' should be there once, with the query")
    if not _BASE64URL.match(values[0]):
        return refusal(400, "the parameter 'dns' is not base64url without padding")
    try:
        query = base64.urlsafe_b64decode(values[0] + b"=" * (-len(values[0]) % 4))
    except binascii.Error:
        return refusal(400, "the parameter 'dns' is not base64url without padding")
    return query if len(query) <= MAX_MESSAGE else too_large()
