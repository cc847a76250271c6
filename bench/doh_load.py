"""A load of DoH by GET, as browsers send it: ``python -m bench.doh_load PORT FILE --seconds 2 [--once]``.

Eight TLS connections that stay, 25 requests outstanding on each. Requests are made before the load begins, and of
responses only the frames and the DNS header are read, so that this process is not what limits a server. Prints a Load
as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import chromium
from bench.load import LOST_AFTER_SECONDS, Load
from bench.queries import Asked

CONNECTIONS = 8
OUTSTANDING = 25  # on each
_READ_BYTES = 1 << 16
_WAIT_SECONDS = 0.1
_LEAST_TABLE_OCTETS = 512


class Connection:
    """One connection: its requests on their way, and what has come of all."""

    def __init__(self, port: int, paths: Iterator[bytes], tls: ssl.SSLContext) -> None:
        self._paths = paths
        self._authority = f"127.0.0.1:{port}"
        self._stream = 1
        self._unread = b""
        self._unsent = chromium.PREFACE
        self._to_give_back = 0
        self._waiting: dict[int, float] = {}  # streams, with the moment of each
        self.sent = self.answered = self.failed = 0
        self.closed = False
        plain = socket.create_connection(("127.0.0.1", port), LOST_AFTER_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain)
        self.socket.setblocking(False)

    @property
    def outstanding(self) -> int:
        """Requests without their whole response."""
        return len(self._waiting)

    def ask(self) -> None:
        """Send as many requests as there is room for."""
        now = time.monotonic()
        pieces = [self._unsent]
        for path in itertools.islice(self._paths, OUTSTANDING - len(self._waiting)):
            pieces.append(chromium.request(self._stream, path, "" if self._stream > 1 else self._authority))
            self._waiting[self._stream] = now
            self._stream += 2
            self.sent += 1
        self._unsent = b"".join(pieces)
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]

    def read(self) -> None:
        """Read what has come. Raises OSError when the connection is lost."""
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                octets = self.socket.recv(_READ_BYTES)
                if not octets:
                    raise ConnectionResetError("closed by the server")
                self._to_give_back += len(octets)
                self.take(octets)

    def take(self, octets: bytes) -> None:
        """Take the frames of what has come."""
        octets = self._unread + octets
        at, size = 0, len(octets)
        while size - at >= 9:
            end = at + 9 + int.from_bytes(octets[at : at + 3], "big")
            if end > size:
                break
            kind, flags = octets[at + 3], octets[at + 4]
            stream = int.from_bytes(octets[at + 5 : at + 9], "big")
            if kind in (chromium.DATA, chromium.HEADERS):
                self._response(kind, flags, stream, octets[at + 9 : end])
            else:
                self._other(kind, flags, stream, octets[at + 9 : end])
            at = end
        self._unread = octets[at:]
        if self._to_give_back > chromium.WINDOW_OCTETS:
            self._unsent += chromium.frame(chromium.WINDOW_UPDATE, 0, 0, self._to_give_back.to_bytes(4, "big"))
            self._to_give_back = 0

    def _response(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if stream not in self._waiting:
            return
        if kind == chromium.DATA and len(payload) >= 12:
            good = payload[2] & 0x80 and not payload[3] & 0x0F
            self.answered += bool(good)
            self.failed += not good
            del self._waiting[stream]
        elif flags & chromium.END_STREAM:  # without a DNS message
            self.failed += 1
            del self._waiting[stream]

    def _other(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == chromium.SETTINGS and not flags & chromium.ACK:
            settings = {payload[at : at + 2]: payload[at + 2 : at + 6] for at in range(0, len(payload), 6)}
            table = int.from_bytes(settings.get(b"\0\1", b"\0\0\x10\0"), "big")
            if table < _LEAST_TABLE_OCTETS:
                sys.exit(f"the server's HPACK table has {table} octets: these requests need {_LEAST_TABLE_OCTETS}")
            self._unsent += chromium.frame(chromium.SETTINGS, chromium.ACK, 0)
        elif kind == chromium.PING and not flags & chromium.ACK:
            self._unsent += chromium.frame(chromium.PING, chromium.ACK, 0, payload)
        elif kind == chromium.RST_STREAM and self._waiting.pop(stream, None) is not None:
            self.failed += 1
        elif kind == chromium.GOAWAY:
            raise ConnectionResetError("the server says that it goes")

    def oldest(self) -> float:
        """The moment of the request that waits longest, or now."""
        return next(iter(self._waiting.values()), time.monotonic())


def load(port: int, paths: list[bytes], seconds: float, *, once: bool) -> Load:
    """Keep all connections full for so long; one that is lost is opened anew."""
    source = iter(paths) if once else itertools.cycle(paths)
    total = [0, 0, 0]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE  # what it costs to check a certificate is no server's
    tls.set_alpn_protocols(["h2"])
    with selectors.DefaultSelector() as selector:

        def opened() -> Connection:
            connection = Connection(port, source, tls)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            return connection

        def over(connection: Connection) -> None:
            selector.unregister(connection.socket)
            connection.socket.close()
            for at, count in enumerate((connection.sent, connection.answered, connection.failed)):
                total[at] += count

        first = [opened() for _ in range(CONNECTIONS)]
        began = time.monotonic()
        for each in first:
            each.ask()
        while time.monotonic() - began < seconds:
            for key, _ in selector.select(_WAIT_SECONDS):
                connection: Connection = key.data
                try:
                    connection.read()
                    connection.ask()
                except OSError:
                    over(connection)
                    opened().ask()
            connections: list[Connection] = [key.data for key in selector.get_map().values()]
            if once and not any(connection.outstanding for connection in connections):
                break
            if time.monotonic() - min(connection.oldest() for connection in connections) > LOST_AFTER_SECONDS:
                break  # lost; how many will be told
        lasted = time.monotonic() - began
        late = time.monotonic() + LOST_AFTER_SECONDS
        while any(key.data.outstanding for key in selector.get_map().values()) and time.monotonic() < late:
            for key, _ in selector.select(_WAIT_SECONDS):
                with contextlib.suppress(OSError):
                    key.data.read()
        for key in list(selector.get_map().values()):
            over(key.data)
    sent, answered, failed = total
    return Load(sent, answered, failed, sent - answered - failed, lasted)


def main() -> None:
    """Load, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.doh_load")
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--once", action="store_true", help="end when each query was asked once")
    options = parser.parse_args()
    paths = [chromium.path_of(Asked(name, qtype)) for name, qtype in json.loads(options.file.read_text())]
    print(json.dumps(dataclasses.asdict(load(options.port, paths, options.seconds, once=options.once))))


if __name__ == "__main__":
    main()
