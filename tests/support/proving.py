"""Clients that show certificates to a whole server, over DoT and DoH: kdig, curl, and one that keeps its sessions."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import dns.message

from resolver.wire.proxy_header import SIGNATURE
from tests.support.client_certificates import ClientCertificate
from tests.support.clients import LOCALHOST, kdig, query, rdata
from tests.support.encrypted import SERVER_NAME, Certificates, curl, curl_error
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, wait_until
from tests.support.unbound import Unbound

REAL, BLOCKED = ["198.51.100.1"], ["0.0.0.0"]
ALICE, KIOSK = "alice@corp.example", "kiosk-7"
CLAIM, PROXY = "till-3", "127.0.0.60"


def config_of(world: Unbound, certificates: Certificates, **clients: Any) -> dict[str, Any]:
    """A config whose group of ALICE and KIOSK is exempt, as is that of who calls itself CLAIM."""
    groups = [
        {"name": "people", "client_names": [f"proved:{ALICE}", f"proved:{KIOSK}"], "exempt": True},
        {"name": "tills", "client_names": [CLAIM], "exempt": True},
    ]
    return {
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "tls": {**certificates.section, "clients": clients},
        "clients": {"trusted_proxies": [{"network": PROXY, "sources": ["proxy", "x-forwarded-for"]}]},
        "policy": {"groups": groups},
        "query_log": {"what": "all", "identities": "full"},
        "limits": {"tcp_idle_seconds": 30.0},
    }


def by_dot(server: Moatdns, certificates: Certificates, *arguments: str, name: str = "") -> list[str]:
    """What kdig gets for claude.ai; nothing where it is refused. `name` stands before ours in SNI."""
    ask = (f"+tls-ca={certificates.authority}", f"+tls-hostname={SERVER_NAME}", f"+tls-sni={name}{SERVER_NAME}")
    return kdig(server.dot_port, *ask, *arguments, "claude.ai").rdata


def by_doh(server: Moatdns, certificates: Certificates, *arguments: str, path: str = "/dns-query") -> list[str]:
    """What curl gets for claude.ai."""
    fetched = curl(certificates, server.doh_port, path, *arguments, body=query("claude.ai").to_wire())
    assert fetched.status == 200, fetched
    return rdata(fetched.message)


def refused_by_doh(server: Moatdns, certificates: Certificates, *arguments: str) -> None:
    """See curl fail. What it says of TLS 1.3 varies: it may have sent its request before it reads the alert."""
    said = curl_error(certificates, server.doh_port, "/dns-query", *arguments, body=query("claude.ai").to_wire())
    assert said.startswith("curl: ("), said


class Device:
    """A client with a certificate that keeps its sessions."""

    def __init__(
        self,
        server: Moatdns,
        certificates: Certificates,
        shown: ClientCertificate,
        version: str = "TLSv1_3",
        protocol: str = "dot",
    ) -> None:
        """`protocol` is ``dot`` or ``http/1.1``."""
        self._port = server.dot_port if protocol == "dot" else server.doh_port
        self._context = certificates.client_context(protocol)
        self._context.load_cert_chain(shown.certificate, shown.private_key)
        self._context.minimum_version = self._context.maximum_version = ssl.TLSVersion[version]
        self._session: ssl.SSLSession | None = None

    @contextlib.contextmanager
    def connected(self, *, client: str = LOCALHOST, before: bytes = b"") -> Iterator[ssl.SSLSocket]:
        """A connection, resumed where there was one before; `before` is sent before the handshake."""
        with socket.create_connection((LOCALHOST, self._port), PATIENCE_SECONDS, (client, 0)) as plain:
            plain.sendall(before)
            wrapped = self._context.wrap_socket(plain, server_hostname=SERVER_NAME, session=self._session)
            with wrapped as connection:
                yield connection

    def ask(self) -> tuple[list[str], bool]:
        """The answer for claude.ai, and whether the session was resumed. Raises OSError or EOFError."""
        with self.connected() as connection:
            answer = ask_on(connection)
            self._session = connection.session
            return answer, bool(connection.session_reused)

    def is_refused(self) -> bool:
        """Whether it gets no answer."""
        try:
            self.ask()
        except (OSError, EOFError):
            return True
        return False


def ask_on(connection: ssl.SSLSocket) -> list[str]:
    """The answer for claude.ai on an open connection. Raises OSError or EOFError."""
    wire = query("claude.ai").to_wire()
    if connection.selected_alpn_protocol() == "dot":
        connection.sendall(len(wire).to_bytes(2, "big") + wire)
        head = connection.recv(2)
        if len(head) < 2:
            raise EOFError
        return rdata(dns.message.from_wire(connection.recv(int.from_bytes(head, "big"))))
    head = f"POST /dns-query HTTP/1.1\r\nhost: {SERVER_NAME}\r\ncontent-length: {len(wire)}\r\n".encode()
    connection.sendall(head + b"content-type: application/dns-message\r\n\r\n" + wire)
    with http.client.HTTPResponse(connection) as response:
        try:
            response.begin()
        except http.client.HTTPException as error:  # nothing came
            raise EOFError from error
        assert response.status == 200
        return rdata(dns.message.from_wire(response.read()))


def header(client: str) -> bytes:
    """A PROXY header of version 2 for a client over TCP."""
    addresses = socket.inet_aton(client) + socket.inet_aton(LOCALHOST) + (4711).to_bytes(2, "big") * 2
    return SIGNATURE + b"\x21\x11" + len(addresses).to_bytes(2, "big") + addresses


def refused(server: Moatdns, reason: str) -> int:
    """How many certificates were refused for a reason."""
    return server.counts().get(f"client_certificate_{reason}", 0)


def reload(server: Moatdns) -> None:
    """Have CAs and lists read again; workers do so soon after."""
    assert server.hang_up()["event"] == "reloaded"


def becomes_refused(server: Moatdns, certificates: Certificates, shown: ClientCertificate) -> None:
    """Wait until kdig is refused with a certificate."""
    wait_until(lambda: by_dot(server, certificates, *shown.of_kdig) == [], "the certificate is refused")
