"""A load of short connections, over TCP or TLS: each sends its queries, reads the answers, and closes.

Run as ``python -m bench.short_connections PORT FILE --queries 10 --seconds 2 [--tls] [--once]``; prints a Load as JSON.
Over TCP the queries go in one write; over TLS each waits for the answer before, as from a client that asks one thing
at a time. Its processes come from loopback addresses of their own, so that none runs out of ports.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import multiprocessing
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from bench.load import LOST_AFTER_SECONDS, Load

PROCESSES = 8  # so many connections at a time
_FLAGS_RD = 0x0100
_A_IN = b"\0\1\0\1"
_READ_BYTES = 65536


def query_of(name: str, ident: int) -> bytes:
    """An A query with the length before it (RFC 1035 section 4.2.2); `name` has no escapes."""
    qname = b"".join(bytes((len(label),)) + label for label in name.encode("ascii").split(b".")) + b"\0"
    message = struct.pack("!6H", ident, _FLAGS_RD, 1, 0, 0, 0) + qname + _A_IN
    return struct.pack("!H", len(message)) + message


def batches(names: list[str], queries_each: int) -> list[list[bytes]]:
    """The queries of each connection."""
    starts = range(0, len(names), queries_each)
    return [
        [query_of(name, ident) for ident, name in enumerate(names[start : start + queries_each])] for start in starts
    ]


def read_answers(connection: socket.socket, expected: int) -> tuple[int, int]:
    """Read that many answers: how many were NOERROR, and how many not. Fewer when the server closes before."""
    buffer = bytearray()
    at = noerror = failed = 0
    while noerror + failed < expected:
        chunk = connection.recv(_READ_BYTES)
        if not chunk:
            break
        buffer += chunk
        while len(buffer) - at >= 2 and len(buffer) >= (end := at + 2 + int.from_bytes(buffer[at : at + 2], "big")):
            if buffer[at + 5] & 0xF:
                failed += 1
            else:
                noerror += 1
            at = end
    return noerror, failed


def _connect(address: tuple[str, int], source: str, tls: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection(address, LOST_AFTER_SECONDS, (source, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.wrap_socket(connection) if tls else connection


def _work(arguments: tuple[int, int, list[list[bytes]], float, bool, bool]) -> Load:
    """One process: a connection at a time, for so many seconds."""
    number, port, work, seconds, once, use_tls = arguments
    tls = _tls_client() if use_tls else None
    turns: Iterator[list[bytes]] = iter(work) if once else itertools.cycle(work)
    sent = answered = failed = 0
    began = time.monotonic()
    for queries in turns:
        if time.monotonic() - began >= seconds:
            break
        sent += len(queries)
        try:
            with _connect(("127.0.0.1", port), f"127.0.0.{number + 1}", tls) as connection:
                for some in [[one] for one in queries] if tls else [queries]:
                    connection.sendall(b"".join(some))
                    good, bad = read_answers(connection, len(some))
                    answered += good
                    failed += bad
        except OSError:  # refused, reset or too late: what it asked is lost
            continue
    return Load(sent, answered, failed, sent - answered - failed, time.monotonic() - began)


def _tls_client() -> ssl.SSLContext:
    """A client that believes any certificate: what it costs to check one is no server's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def main() -> None:
    """Load, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.short_connections")
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--queries", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--once", action="store_true", help="end when each query was asked once")
    options = parser.parse_args()
    names = [line.split()[0] for line in options.file.read_text().splitlines()]
    work = batches(names, options.queries)
    shares = [
        (number, options.port, share, options.seconds, options.once, options.tls)
        for number in range(PROCESSES)
        if (share := work[number::PROCESSES])
    ]
    with multiprocessing.get_context("fork").Pool(len(shares)) as pool:
        loads = pool.map(_work, shares, chunksize=1)
    total = Load(
        sent=sum(load.sent for load in loads),
        answered=sum(load.answered for load in loads),
        failed=sum(load.failed for load in loads),
        lost=sum(load.lost for load in loads),
        seconds=max(load.seconds for load in loads),
    )
    print(json.dumps(dataclasses.asdict(total)))


if __name__ == "__main__":
    main()
