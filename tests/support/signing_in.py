"""Somebody who signs in at a provider without a browser: cookies and redirects, as a browser has them."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from tests.support.openid import OpenIdProvider

_SECONDS = 30.0
_FLOW_COOKIE = "moatdns-sign-in"


@dataclass(frozen=True, slots=True)
class Came:
    """What a server answered with to who came back from the provider."""

    status: int
    text: str
    session: str | None  # the Cookie header of the session that began


@dataclass(frozen=True, slots=True)
class Traveller:
    """A browser between a server's pages and a provider."""

    port: int
    provider: OpenIdProvider
    tls: ssl.SSLContext | None = None  # that trusts the provider
    address: str = "127.0.0.1"  # that it comes from

    def go(self) -> tuple[str, str]:
        """Begin; gives the provider's address and the Cookie header that goes with the way back."""
        reply, _ = _asked(self._server(), "GET", "/login/oidc")
        assert reply.status == 303, reply.status
        return reply.headers["Location"], _cookie_of(reply, _FLOW_COOKIE) or ""

    def consent(self, address: str, subject: str) -> str:
        """Agree as a person does in the provider's form; gives the path that the browser goes back to."""
        parts, port = urlsplit(address), self.provider.port
        for method in ("GET", "POST"):
            connection: http.client.HTTPConnection = (
                http.client.HTTPConnection("localhost", port, timeout=_SECONDS)
                if self.tls is None
                else http.client.HTTPSConnection("localhost", port, timeout=_SECONDS, context=self.tls)
            )
            reply, _ = _asked(connection, method, f"{parts.path}?{parts.query}", urlencode({"sub": subject}))
        back = urlsplit(reply.headers["Location"])
        return f"{back.path}?{back.query}"

    def come_back(self, path: str, cookie: str) -> Came:
        """Go on to the server."""
        reply, text = _asked(self._server(), "GET", path, None, Cookie=cookie)
        return Came(reply.status, text, _cookie_of(reply, "moatdns"))

    def sign_in(self, subject: str) -> Came:
        """All of it."""
        address, cookie = self.go()
        return self.come_back(self.consent(address, subject), cookie)

    def page(self, path: str, session: str) -> int:
        """The status of a page in a session."""
        return _asked(self._server(), "GET", path, None, Cookie=session)[0].status

    def _server(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS, source_address=(self.address, 0))


def _asked(
    connection: http.client.HTTPConnection, method: str, path: str, form: str | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, str]:
    sent = headers if form is None else {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request(method, path, form, sent)
        reply = connection.getresponse()
        return reply, reply.read().decode()
    finally:
        connection.close()


def _cookie_of(reply: http.client.HTTPResponse, name: str) -> str | None:
    """The Cookie header of a cookie that was set; None where it was not, or is to be forgotten."""
    for line in reply.headers.get_all("Set-Cookie") or ():
        pair = line.partition(";")[0]
        if pair.partition("=")[0] == name and pair.partition("=")[2].strip('"'):
            return pair
    return None
