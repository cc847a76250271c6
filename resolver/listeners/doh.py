"""DNS over HTTPS (RFC 8484), apart from which HTTP it is: requests in, responses out. No I/O."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

from resolver.answering.client import Client
from resolver.answering.pipeline import Pending, Transport
from resolver.answering.proxies import BY_CLIENT_SUBNET
from resolver.errors import FormatError
from resolver.listeners.connection import ClientConnection
from resolver.policy.proved_names import is_claimable
from resolver.wire.codes import MAX_MESSAGE, Rcode
from resolver.wire.records import least_ttl

PATH: Final = "/dns-query"
MEDIA_TYPE: Final = "application/dns-message"
MOST_TARGET: Final = 16_300  # characters of path and parameters: a GET of the longest query of use is far shorter
MOST_HEADER_BYTES: Final = 16_384  # of a request's other headers

NOT_KEPT: Final = -1  # by anybody
CACHING_UNSAID: Final = -2

# Of base64url (RFC 4648 section 5) to base64, whose own two characters are not taken.
_FROM_URL: Final = bytes.maketrans(b"-_+/", b"+/!!")
_PATH_PARTS = PATH.split("/")
_KEPT = (Rcode.NOERROR, Rcode.NXDOMAIN)  # answers that a client may keep


class RequestHead:
    """A request's fields but for its target, as far as DoH looks at them."""

    def __init__(self, method: str, headers: dict[str, str]) -> None:
        """`headers` are by names in lower case; HTTP/2's own (RFC 9113 section 8.3) may be among them."""
        self.method = method
        self.media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.forwarded = headers.get("x-forwarded-for")
        self.is_too_long = (
            sum(len(name) + len(value) for name, value in headers.items() if name != ":path") > MOST_HEADER_BYTES
        )


class HttpResponse:
    """A whole response. Its `caching` is for how many seconds its client may keep it, or one of the two below."""

    def __init__(
        self, status: int, body: bytes, media_type: str = MEDIA_TYPE, *, caching: int = NOT_KEPT, allow: str = ""
    ) -> None:
        self.status = status
        self.body = body
        self.media_type = media_type
        self.caching = caching
        self.allow = allow  # the methods that there are, where it was another one

    @property
    def cache_control(self) -> str:
        """The client keeps it no longer than this, and nobody else does: "" for nothing said.

        Another client behind the same cache may be in another group.
        """
        if self.caching >= 0:
            return f"private, max-age={self.caching}"
        return "no-store" if self.caching == NOT_KEPT else ""

    def fields(self) -> list[tuple[str, str]]:
        """The header fields."""
        fields = [("content-type", self.media_type)]
        if self.cache_control:
            fields.append(("cache-control", self.cache_control))
        if self.allow:
            fields.append(("allow", self.allow))
        return [*fields, ("content-length", str(len(self.body)))]


class Refused(Exception):
    """A request that is no query, with what is answered."""

    def __init__(self, status: int, why: str, allow: str = "") -> None:
        super().__init__(why)
        body = f"{why}\n".encode()
        self.response = HttpResponse(status, body, "text/plain; charset=utf-8", caching=CACHING_UNSAID, allow=allow)


def query_of(head: RequestHead, target: str, body: bytes) -> bytes:
    """The DNS query that a request carries. Raises Refused."""
    if len(target) > MOST_TARGET:
        raise Refused(414, f"a path with its parameters has at most {MOST_TARGET} characters: send the query by POST")
    if head.is_too_long:
        raise Refused(431, f"the headers of a request have at most {MOST_HEADER_BYTES} octets")
    path, _, parameters = target.partition("?")
    if path != PATH and _name_in(path) is None:
        raise Refused(404, f"queries go to {PATH}")
    if head.method in ("GET", "HEAD"):  # the same, but for the body of the response (RFC 9110 section 9.3.2)
        return _of_parameters(parameters)
    if head.method != "POST":
        raise Refused(405, "queries are sent by GET or POST", "GET, HEAD, POST")
    if head.media_type != MEDIA_TYPE:
        raise Refused(415, f"a query is of type {MEDIA_TYPE}")
    if not body:
        raise Refused(400, "the body is empty: it should be a DNS query")
    return body


def _of_parameters(parameters: str) -> bytes:
    given = [part[4:] for part in parameters.split("&") if part.startswith("dns=")]
    if len(given) != 1:
        raise Refused(400, "give one parameter dns: a DNS query in base64url")
    text = given[0].rstrip("=")  # RFC 8484 section 6: without padding; some send it
    try:
        # In strict mode, nothing but the alphabet is taken.
        coded = text.encode("latin-1").translate(_FROM_URL)
        query = binascii.a2b_base64(coded + b"=" * (-len(coded) % 4), strict_mode=True)
    except ValueError:  # binascii.Error is one
        query = b""
    if not query:
        raise Refused(400, "the parameter dns is not base64url")
    if len(query) > MAX_MESSAGE:
        raise Refused(413, f"a query has at most {MAX_MESSAGE} octets")
    return query


def name_of(target: str) -> str:
    """The name that a client gives itself by the path of its requests; "" where it gives none."""
    path = target.partition("?")[0]
    return "" if path == PATH else _name_in(path) or ""


def _name_in(path: str) -> str | None:
    """The name in a path, in lower case, "" where there is none; None for a path that is not ours.

    Parts are compared as what they stand for: ``%2D`` is ``-`` (RFC 3986 section 6.2.2.2), but ``%2F`` is no slash.
    """
    parts = [unquote(part) for part in path.split("/")] if "%" in path else path.split("/")
    if parts[:2] != _PATH_PARTS or len(parts) > 3:
        return None
    if len(parts) == 2:
        return ""
    return parts[2].lower() if is_claimable(parts[2]) else None


def response_of(answer: bytes) -> HttpResponse:
    """The response that carries an answer. Its client keeps it no longer than any of its TTLs."""
    kept = least_ttl(answer) if answer[3] & 0xF in _KEPT else None
    return HttpResponse(200, answer, caching=NOT_KEPT if kept is None else kept)


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
        self._pipeline = connection.listener.pipeline
        self._name = name

    def answer(self, head: RequestHead, target: str, body: bytes) -> HttpResponse | Pending:
        """The response to a request. Pending: `resolve` it."""
        try:
            query = query_of(head, target, body)
            client = self._client(head, target)
        except Refused as refused:
            return refused.response
        outcome = self._pipeline.answer_now(query, client, Transport.HTTPS)
        if outcome is None:
            return Refused(400, "this is not a DNS query").response
        return outcome if isinstance(outcome, Pending) else response_of(outcome)

    def resolve(self, pending: Pending, reply: Callable[[HttpResponse], None]) -> None:
        """Ask an upstream; `reply` is called once, perhaps before this returns."""
        connection = self._connection

        def landed(answer: bytes) -> None:
            connection.active()
            reply(response_of(answer))

        self._pipeline.resolve(pending, landed)

    def _client(self, head: RequestHead, target: str) -> Client:
        """The client: a trusted proxy's word counts, up to the first address that is no such proxy. Raises Refused."""
        connection = self._connection
        name = name_of(target) or self._name
        client = connection.asker(name)
        if not client.words:
            return client
        clients, dropped = self._pipeline.clients, connection.listener.counters.dropped
        try:
            asker = clients.proxies.forwarded(
                head.forwarded, connection.client, speaks_for_itself=connection.speaks_for_itself
            )
        except FormatError:
            dropped["x_forwarded_for"] += 1
            raise Refused(403, "the proxy's X-Forwarded-For names no address: see clients.trusted_proxies") from None
        client = clients.at(asker.address, name)
        if not asker.lacks_word:
            return client.itself()
        if not client.words & BY_CLIENT_SUBNET:  # else the query may say it
            dropped["proxy_says_nothing"] += 1
            raise Refused(403, "this proxy did not name its client: see clients.trusted_proxies")
        return client
