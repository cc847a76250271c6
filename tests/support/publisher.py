"""A publisher of a catalogue feed: a real HTTP server on loopback with a catalogue and its signature."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from blocklists.feed.minisign import SecretKey, Signature
from tests.support.feed import Behave, Feed, send, serve

SERIES = "acme"


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

    def _answer(self, feed: Feed, handler: BaseHTTPRequestHandler) -> None:
        if not handler.path.endswith(".minisig"):
            self.behave(feed, handler)
        elif self.signature is None:
            send(handler, 404, b"no")
        else:
            send(handler, 200, self.signature)
