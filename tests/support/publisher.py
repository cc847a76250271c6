"""A publisher of a catalogue feed: a real HTTP server on loopback with a catalogue and its signature."""

from __future__ import annotations

import contextlib
import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from blocklists.feed.minisign import SecretKey, Signature
from tests.support.feed import Behave, Feed, half, page, send, serve

SERIES = "acme"
REFUSED = {
    "tampered": "signature",
    "older": "lower",
    "other content": "lower",
    "expired": "expired",
    "wrong key": "signature",
    "unsigned": "unsigned",
    "truncated": "fetch",
    "huge": "huge",
    "no list": "signature",
    "with innocents": "faults",
}
"""Ways to publish wrongly, each with the reason for which it is refused."""


def catalogue(version: int, *rules: str, **different: Any) -> bytes:
    """The file of a catalogue that blocks these names as those of the vendor `newco`."""
    entries = [
        {"rule": rule, "service": "chat", "surface": "web", "source": "s", "seen": "2026-11-20"} for rule in rules
    ]
    service = {"chat": {"name": "Chat", "description": "talks"}}
    files = {"vendors/newco.yaml": {"vendor": "newco", "name": "Newco", "services": service, "domains": entries}}
    plain = {"format": 1, "series": SERIES, "version": version, "expires": "2099-01-01T00:00:00Z", "files": files}
    return json.dumps({**plain, **different}).encode()


class Publisher:
    """Serves what was published last. A context manager; `behave` is what a request for the catalogue gets."""

    def __init__(self, *, port: int = 0) -> None:
        self.key = SecretKey.generate()
        self.signature: bytes | None = None
        self.behave: Behave = serve
        self._feed = Feed(port=port)
        self._feed.behave = self._answer
        self.url = f"http://127.0.0.1:{self._feed.port}/ai.json"

    def __enter__(self) -> Publisher:
        self._feed.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._feed.__exit__()

    @property
    def port(self) -> int:
        """The port that it serves on."""
        return self._feed.port

    @property
    def requests(self) -> list[dict[str, str]]:
        """The headers of all requests."""
        return self._feed.requests

    def publish(self, content: bytes, *, key: SecretKey | None = None) -> bytes:
        """Serve a catalogue with its signature; gives the signature."""
        self.signature = Signature.make(content, key or self.key, "for tests").text.encode()
        self._feed.content = content
        self.behave = serve
        return self.signature

    def put(self, content: bytes, signature: bytes | None) -> None:
        """Serve what nobody has signed so."""
        self._feed.content, self.signature, self.behave = content, signature, serve

    def publish_wrongly(self, case: str, number: int) -> None:
        """Serve something that is not to be taken, where version `number` with ``good.example`` is in force."""
        newer = catalogue(number + 1, "good.example", "evil.example")
        self.publish(newer)
        match case:
            case "tampered":
                self.put(newer.replace(b"evil.example", b"loki.example"), self.signature)
            case "older":
                self.publish(catalogue(number - 1, "good.example", "evil.example"))
            case "other content":
                self.publish(catalogue(number, "good.example", "evil.example"))
            case "expired":
                self.publish(catalogue(number + 1, "evil.example", expires="2026-01-01T00:00:00Z"))
            case "wrong key":
                self.publish(newer, key=SecretKey.generate())
            case "unsigned":
                self.put(newer, None)
            case "truncated":
                self.behave = half
            case "huge":
                self.publish(newer + b" " * (2 << 20))
            case "no list":
                self.behave = page
            case "with innocents":
                self.publish(catalogue(number + 2, "evil.example", "wikipedia.org"))

    def _answer(self, feed: Feed, handler: BaseHTTPRequestHandler) -> None:
        if not handler.path.endswith(".minisig"):
            with contextlib.suppress(ConnectionError):  # who was sent too much has gone
                self.behave(feed, handler)
        elif self.signature is None:
            send(handler, 404, b"no")
        else:
            send(handler, 200, self.signature)
