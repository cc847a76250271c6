"""A real HTTP server on loopback that serves one list, well or in any of the ways in which servers fail."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LOOK_SECONDS = 0.02  # for whether it is to end

Behave = Callable[["Feed", BaseHTTPRequestHandler], None]


class Feed:
    """Serves `content` at every path. A context manager; `behave` replaces what a request gets."""

    def __init__(self, content: bytes = b"", host: str = "127.0.0.1", port: int = 0) -> None:
        self.content = content
        self.behave: Behave = serve
        self.requests: list[dict[str, str]] = []
        feed = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                feed.requests.append({name.lower(): value for name, value in self.headers.items()})
                feed.behave(feed, self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://{host}:{self.port}/list.txt"
        self.ended = threading.Event()

    def __enter__(self) -> Feed:
        threading.Thread(target=self._server.serve_forever, args=(_LOOK_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, content: bytes, **headers: str) -> None:
    """One whole answer."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def serve(feed: Feed, handler: BaseHTTPRequestHandler) -> None:
    """The list, or 304 where the caller has it."""
    tag = f'"{hashlib.sha256(feed.content).hexdigest()[:16]}"'
    if handler.headers.get("If-None-Match") == tag:
        send(handler, 304, b"", ETag=tag)
    else:
        send(handler, 200, feed.content, ETag=tag)


def hang(feed: Feed, _: BaseHTTPRequestHandler) -> None:
    """Not a word."""
    feed.ended.wait(60)


def drip(feed: Feed, handler: BaseHTTPRequestHandler) -> None:
    """An octet now and then, until nobody listens any more."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    deadline = time.monotonic() + 60
    with contextlib.suppress(ConnectionError):
        while not feed.ended.wait(0.2) and time.monotonic() < deadline:
            handler.wfile.write(b"#")


def half(feed: Feed, handler: BaseHTTPRequestHandler) -> None:
    """Less than was promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(feed.content) * 2))
    handler.end_headers()
    handler.wfile.write(feed.content)


def page(_: Feed, handler: BaseHTTPRequestHandler) -> None:
    """A page to log in."""
    send(handler, 200, b"<!DOCTYPE html><html><body>please log in</body></html>", Content_Type="text/html")


def bomb(_: Feed, handler: BaseHTTPRequestHandler) -> None:
    """A little gzip that is much when unpacked."""
    send(handler, 200, gzip.compress(b"#" * (64 << 20)))


def too_large(_: Feed, handler: BaseHTTPRequestHandler) -> None:
    """More than may be fetched, without saying so beforehand."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"# filler\n" * (4 << 20 >> 3))


def status(number: int) -> Behave:
    """An error."""
    return lambda _, handler: send(handler, number, b"no")


def redirect(to: str) -> Behave:
    """To elsewhere."""
    return lambda _, handler: send(handler, 302, b"", Location=to)
