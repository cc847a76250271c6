"""Clients of DoT and DoH: kdig, curl and openssl as people use them, and TLS by Python for what they do not do."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import dns.message

from tests.support.certificates import SERVER_NAME
from tests.support.clients import LOCALHOST, Dug, TcpClient, kdig, query
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, program

MEDIA_TYPE = "application/dns-message"
_RESUMED = re.compile(r"^(New|Reused), (TLSv1\.\d)", re.MULTILINE)


def kdig_tls(server: Moatdns, *arguments: str, name: str = SERVER_NAME) -> Dug:
    """Ask over TLS, with the certificate verified."""
    return kdig(server.dot_port, *_trusting(server, name), *arguments)


def kdig_https(server: Moatdns, *arguments: str, get: bool = False, path: str = "/dns-query") -> Dug:
    """Ask over HTTPS, with the certificate verified."""
    way = ["+https-get"] if get else []
    return kdig(server.doh_port, *_trusting(server, SERVER_NAME), f"+https={SERVER_NAME}{path}", *way, *arguments)


def _trusting(server: Moatdns, name: str) -> list[str]:
    assert server.authority
    return [f"+tls-ca={server.authority.file}", f"+tls-hostname={name}"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What curl got."""

    status: int
    headers: dict[str, str]
    body: bytes
    version: str

    @property
    def message(self) -> dns.message.Message:
        """The DNS message in it."""
        assert self.headers["content-type"] == MEDIA_TYPE
        return dns.message.from_wire(self.body)


def curl(server: Moatdns, path: str, *arguments: str, body: bytes | None = None) -> Fetched:
    """Fetch a path of the DoH server."""
    assert server.authority
    headers = server.folder / "headers"
    command = [program("curl"), "--silent", "--show-error", "--cacert", str(server.authority.file)]
    command += ["--resolve", f"{SERVER_NAME}:{server.doh_port}:{LOCALHOST}", "--dump-header", str(headers)]
    if body is not None:
        command += ["--data-binary", "@-"]
    command += [*arguments, f"https://{SERVER_NAME}:{server.doh_port}{path}"]
    done = subprocess.run(command, capture_output=True, input=body or b"", timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    head = headers.read_text().strip().split("\n\n")[-1].splitlines()
    version, status, *_ = head[0].split()
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return Fetched(int(status), fields, done.stdout, version)


def in_url(message: dns.message.Message) -> str:
    """The path that asks by GET."""
    return "/dns-query?dns=" + base64.urlsafe_b64encode(message.to_wire()).rstrip(b"=").decode()


def curl_post(server: Moatdns, name: str, *arguments: str, qtype: str = "A") -> Fetched:
    """Ask by POST."""
    body = query(name, qtype).to_wire()
    return curl(server, "/dns-query", "--header", f"content-type: {MEDIA_TYPE}", *arguments, body=body)


def s_client(server: Moatdns, port: int, *arguments: str) -> str:
    """What openssl tells of a TLS connection."""
    assert server.authority
    command = [program("openssl"), "s_client", "-connect", f"{LOCALHOST}:{port}", "-CAfile", str(server.authority.file)]
    done = subprocess.run(
        [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_SECONDS, check=False
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def resumed(text: str) -> list[tuple[str, str]]:
    """For each handshake that openssl tells of: New or Reused, and the version."""
    return _RESUMED.findall(text)


def client_context(authority: Path, *protocols: str) -> ssl.SSLContext:
    """What a client in Python speaks TLS with."""
    context = ssl.create_default_context(cafile=str(authority))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


class TlsClient(TcpClient):
    """One DoT connection. A context manager. `before` are octets that are sent ahead of TLS."""

    def __init__(
        self, server: Moatdns, *, name: str = SERVER_NAME, client: str | None = None, before: bytes = b""
    ) -> None:
        assert server.authority
        super().__init__(server.dot_port, client)
        self.connection.sendall(before)
        self.connection = client_context(server.authority.file, "dot").wrap_socket(
            self.connection, server_hostname=name
        )


def proxy_header(client: str, *, local: bool = False) -> bytes:
    """A header of the PROXY protocol, version 2, as proxies in front write it for TCP over IPv4."""
    addresses = socket.inet_aton(client) + socket.inet_aton("192.0.2.53") + struct.pack("!HH", 40000, 853)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes((0x20 if local else 0x21, 0x11)) + struct.pack("!H", 12) + addresses
