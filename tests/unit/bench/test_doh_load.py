"""The load of DoH by GET, against an HTTP/2 server of the h2 library."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import h2.config
import h2.connection
import h2.events
import pytest
import trustme

from bench import chromium
from bench.doh_load import load
from bench.queries import Asked

PATHS = [chromium.path_of(Asked(f"n{number}.example")) for number in range(60)]


def answer_to(path: str, rcode: dns.rcode.Rcode) -> bytes:
    """The response to the query in a path."""
    query = dns.message.from_wire(base64.urlsafe_b64decode(path.removeprefix("/dns-query?dns=") + "=="))
    response = dns.message.make_response(query)
    response.set_rcode(rcode)
    return response.to_wire()


def talk(connection: ssl.SSLSocket, rcode: dns.rcode.Rcode, asked: list[str]) -> None:
    """Answer the requests of one connection, in pieces, after a ping."""
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    server.ping(b"12345678")
    connection.sendall(server.data_to_send())
    while octets := connection.recv(65536):
        for event in server.receive_data(octets):
            if isinstance(event, h2.events.RequestReceived) and event.stream_id:
                path = {str(name): str(value) for name, value in event.headers or ()}[":path"]
                asked.append(path)
                server.send_headers(event.stream_id, [(":status", "200")])
                server.send_data(event.stream_id, answer_to(path, rcode), end_stream=True)
        out = server.data_to_send()
        for at in range(0, len(out), 1000):
            connection.sendall(out[at : at + 1000])


@contextlib.contextmanager
def serving(rcode: dns.rcode.Rcode) -> Iterator[tuple[int, list[str]]]:
    """A server that answers every query with this code; its port, and the paths that it was asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    asked: list[str] = []
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def one(plain: socket.socket) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                talk(connection, rcode, asked)

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listening socket is shut down: the end
                while True:
                    plain, _ = listening.accept()
                    threads.append(threading.Thread(target=one, args=(plain,)))
                    threads[-1].start()

        accepting = threading.Thread(target=serve)
        accepting.start()
        try:
            yield listening.getsockname()[1], asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


@pytest.mark.slow
def test_every_query_is_asked_once_and_answered() -> None:
    with serving(dns.rcode.NOERROR) as (port, asked):
        found = load(port, PATHS, 10.0, once=True)
    assert (found.sent, found.answered, found.failed, found.lost) == (60, 60, 0, 0)
    assert len(set(asked)) == 60


@pytest.mark.slow
def test_answers_with_another_code_are_failures() -> None:
    with serving(dns.rcode.SERVFAIL) as (port, _):
        found = load(port, PATHS, 0.2, once=False)
    assert found.sent >= 200  # eight connections with 25 each
    assert (found.answered, found.failed) == (0, found.sent)
