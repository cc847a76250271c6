"""DNS over HTTPS (RFC 8484), apart from which HTTP it is: requests in, responses out. No I/O."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from resolver.answering.client import Client
from resolver.answering.pipeline import Pending, Transport
from resolver.answering.proxies import BY_CLIENT_SUBNET
from resolver.errors import FormatError
from resolver.listeners.connection import ClientConnection
from resolver.wire.codes import MAX_MESSAGE, Rcode
from resolver.wire.records import least_ttl

PATH: Final = "/dns-query"
MEDIA_TYPE: Final = "application/dns-message"
MOST_TARGET: Final = 16_300  # characters of path and parameters: a GET of the longest query of use is far shorter
MOST_HEADER_BYTES: Final = 16_384  # of a request's other headers

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}\Z")
_PATH_PARTS = PATH.split("/")
_KEPT = (Rcode.NOERROR, Rcode.NXDOMAIN)  # answers that a client may keep


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. Header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole response."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """A request that is no query, with what is answered."""

    def __init__(self, status: int, why: str, *headers: tuple[str, str]) -> None:
        super().__init__(why)
        body = f"{why}\n".encode()
        self.response = HttpResponse(status, body, (("content-type", "text/plain; charset=utf-8"), *headers))


def query_of(request: Request) -> bytes:
    """The DNS query that a request carries. Raises Refused."""
    if len(request.target) > MOST_TARGET:
        raise Refused(414, f"a path with its parameters has at most {MOST_TARGET} characters: send the query by POST")
    if sum(len(name) + len(value) for name, value in request.headers.items() if name != ":path") > MOST_HEADER_BYTES:
        raise Refused(431, f"the headers of a request have at most {MOST_HEADER_BYTES} octets")
    path, _, parameters = request.target.partition("?")
    if _name_in(path) is None:
        raise Refused(404, f"queries go to {PATH}")
    if request.method in ("GET", "HEAD"):  # the same, but for the body of the response (RFC 9110 section 9.3.2)
        return _of_parameters(parameters)
    if request.method != "POST":
        raise Refused(405, "queries are sent by GET or POST", ("allow", "GET, HEAD, POST"))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != MEDIA_TYPE:
        raise Refused(415, f"a query is of type {MEDIA_TYPE}")
    if not request.body:
        raise Refused(400, "the body is empty: it should be a DNS query")
    return request.body


def _of_parameters(parameters: str) -> bytes:
    given = [part[4:] for part in parameters.split("&") if part.startswith("dns=")]
    if len(given) != 1:
        raise Refused(400, "give one parameter dns: a DNS query in base64url")
    text = given[0].rstrip("=")  # RFC 8484 section 6: without padding; some send it
    if not text or not _BASE64URL.match(text):
        raise Refused(400, "the parameter dns is not base64url")
    try:
        query = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise Refused(400, "the parameter dns is not base64url") from None
    if len(query) > MAX_MESSAGE:
        raise Refused(413, f"a query has at most {MAX_MESSAGE} octets")
    return query


def name_of(target: str) -> str:
    """The name that a client gives itself by the path of its requests; "" where it gives none."""
    return _name_in(target.partition("?")[0]) or ""


def _name_in(path: str) -> str | None:
    """The name in a path, in lower case, "" where there is none; None for a path that is not ours.

    Parts are compared as what they stand for: ``%2D`` is ``-`` (RFC 3986 section 6.2.2.2), but ``%2F`` is no slash.
    """
    parts = [unquote(part) for part in path.split("/")] if "%" in path else path.split("/")
    if parts[:2] != _PATH_PARTS or len(parts) > 3:
        return None
    if len(parts) == 2:
        return ""
    return parts[2].lower() if _NAME.match(parts[2]) else None


def response_of(answer: bytes) -> HttpResponse:
    """The response that carries an answer. Its client keeps it no longer than any of its TTLs, and nobody else does:

    another one behind the same cache may be in another group.
    """
    kept = answer[3] & 0xF in _KEPT and (ttl := least_ttl(answer)) is not None
    caching = f"private, max-age={ttl}" if kept else "no-store"
    return HttpResponse(200, answer, (("content-type", MEDIA_TYPE), ("cache-control", caching)))


def gathered(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; those of the same name in one, as a list (RFC 9110 section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class HttpExchange:
    """Requests of one connection, answered for whoever asks by it."""

    def __init__(self, connection: ClientConnection, name: str = "") -> None:
        """`name` is what the client calls itself in TLS."""
        self._connection = connection
        self._name = name

    def answer(self, request: Request, reply: Callable[[HttpResponse], None]) -> None:
        """Answer one request; `reply` is called once, perhaps before this returns."""
        connection = self._connection
        connection.active()
        try:
            query = query_of(request)
            client = self._client(request)
        except Refused as refused:
            reply(refused.response)
            return
        pipeline = connection.listener.pipeline

        def landed(answer: bytes) -> None:
            connection.active()
            reply(response_of(answer))

        outcome = pipeline.answer_now(query, client, Transport.HTTPS)
        if isinstance(outcome, Pending):
            pipeline.resolve(outcome, landed)
        elif outcome is not None:
            reply(response_of(outcome))
        else:
            reply(Refused(400, "this is not a DNS query").response)

    def _client(self, request: Request) -> Client:
        """The client: a trusted proxy's word counts, up to the first address that is no such proxy. Raises Refused."""
        connection = self._connection
        pipeline, dropped = connection.listener.pipeline, connection.listener.counters.dropped
        name = name_of(request.target) or self._name
        client = connection.asker(name)
        if not client.words:
            return client
        forwarded = request.headers.get("x-forwarded-for")
        try:
            asker = pipeline.clients.proxies.forwarded(
                forwarded, connection.client, speaks_for_itself=connection.speaks_for_itself
            )
        except FormatError:
            dropped["x_forwarded_for"] += 1
            raise Refused(403, "the proxy's X-Forwarded-For names no address: see clients.trusted_proxies") from None
        client = pipeline.clients.at(asker.address, name)
        if not asker.lacks_word:
            return client.itself()
        if not client.words & BY_CLIENT_SUBNET:  # else the query may say it
            dropped["proxy_says_nothing"] += 1
            raise Refused(403, "this proxy did not name its client: see clients.trusted_proxies")
        return client
