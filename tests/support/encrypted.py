"""What tests of DoT and DoH need: certificates, and clients that people use."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import dns.message
import trustme

from tests.support.programs import PATIENCE_SECONDS, program

SERVER_NAME = "dns.office.example"
_LOCALHOST = "127.0.0.1"


class Certificates:
    """A certificate for SERVER_NAME and 127.0.0.1 in a folder, by a CA of its own; it may be renewed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._authority = trustme.CA()
        self.authority = folder / "ca.pem"
        self.certificate = folder / "server.pem"
        self.private_key = folder / "server.key"
        self._authority.cert_pem.write_to_path(str(self.authority))
        self.renew()

    @property
    def section(self) -> dict[str, str]:
        """The section `tls` of a config that uses it."""
        return {
            "certificate": str(self.certificate),
            "private_key": str(self.private_key),
            "server_name": SERVER_NAME,
        }

    def renew(self, kind: trustme.KeyType = trustme.KeyType.ECDSA, *, ends_at: datetime | None = None) -> None:
        """Write another pair in its place, with a key of that kind."""
        names = (SERVER_NAME, f"alice.{SERVER_NAME}", _LOCALHOST)
        pair = self._authority.issue_cert(*names, key_type=kind, not_after=ends_at)
        pair.private_key_pem.write_to_path(str(self.private_key))
        self.certificate.write_bytes(b"".join(part.bytes() for part in pair.cert_chain_pems))

    def client_context(self, *protocols: str) -> ssl.SSLContext:
        """For a client that trusts the CA and speaks these by ALPN."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


@contextlib.contextmanager
def tls_connection(
    port: int,
    certificates: Certificates,
    *protocols: str,
    client: str = _LOCALHOST,
    before: bytes = b"",
    server_name: str = SERVER_NAME,
) -> Iterator[ssl.SSLSocket]:
    """A TLS connection from the address `client`; `before` is sent before the handshake, `server_name` in it."""
    plain = socket.create_connection((_LOCALHOST, port), PATIENCE_SECONDS, (client, 0))
    with plain:
        plain.sendall(before)
        with certificates.client_context(*protocols).wrap_socket(plain, server_hostname=server_name) as connection:
            yield connection


class DotClient:
    """One DoT connection with DNS messages. A context manager."""

    def __init__(
        self,
        port: int,
        certificates: Certificates,
        *,
        client: str = _LOCALHOST,
        before: bytes = b"",
        server_name: str = SERVER_NAME,
    ) -> None:
        self._opened = tls_connection(port, certificates, "dot", client=client, before=before, server_name=server_name)

    def __enter__(self) -> DotClient:
        self.connection = self._opened.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._opened.__exit__(None, None, None)

    def send(self, *messages: dns.message.Message) -> None:
        """Send messages in one write."""
        wires = [message.to_wire() for message in messages]
        self.connection.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))

    def receive(self) -> dns.message.Message:
        """The next message. Raises EOFError when the server has closed."""
        (length,) = struct.unpack("!H", self._exactly(2))
        return dns.message.from_wire(self._exactly(length))

    def ask(self, message: dns.message.Message) -> dns.message.Message:
        """One query and its answer."""
        self.send(message)
        return self.receive()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


@dataclass(frozen=True, slots=True)
class Fetched:
    """What curl got."""

    status: int
    version: str  # of HTTP
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def message(self) -> dns.message.Message:
        """The DNS message in it."""
        return dns.message.from_wire(self.body)


def _curl(
    certificates: Certificates, port: int, target: str, arguments: tuple[str, ...], body: bytes | None
) -> subprocess.CompletedProcess[bytes]:
    command = [program("curl"), "--silent", "--show-error", "--include", "--max-time", "15", "--noproxy", "*"]
    command += ["--cacert", str(certificates.authority), "--resolve", f"{SERVER_NAME}:{port}:{_LOCALHOST}"]
    if body is not None:
        command += ["--data-binary", "@-", "--header", "content-type: application/dns-message"]
    command += [*arguments, f"https://{SERVER_NAME}:{port}{target}"]
    return subprocess.run(command, input=body, capture_output=True, timeout=PATIENCE_SECONDS, check=False)


def curl_error(certificates: Certificates, port: int, target: str, *arguments: str, body: bytes | None = None) -> str:
    """Run curl as `curl`, and fail; what it says."""
    done = _curl(certificates, port, target, arguments, body)
    assert done.returncode != 0, done.stdout
    return done.stderr.decode()


def curl(certificates: Certificates, port: int, target: str, *arguments: str, body: bytes | None = None) -> Fetched:
    """Run curl against the path `target` of the DoH port."""
    done = _curl(certificates, port, target, arguments, body)
    assert done.returncode == 0, done.stderr.decode()
    rest = done.stdout
    while True:
        head, _, rest = rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status = first.split()[:2]
        if int(status) >= 200:
            break
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Fetched(int(status), version, headers, rest)


def s_client(certificates: Certificates, port: int, *arguments: str) -> str:
    """Run openssl s_client up to the end of the handshake; what it shows."""
    command = [program("openssl"), "s_client", "-connect", f"{_LOCALHOST}:{port}", "-servername", SERVER_NAME]
    command += ["-CAfile", str(certificates.authority), *arguments]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    return (done.stdout + done.stderr).decode("latin-1")


def serial_shown(certificates: Certificates, port: int) -> str:
    """The serial number of the certificate that is shown to new clients."""
    with tls_connection(port, certificates) as connection:
        shown = connection.getpeercert()
    assert shown
    return str(shown["serialNumber"])


def alpn_of(shown: str) -> str:
    """What s_client says was agreed on by ALPN."""
    found = re.search(r"ALPN protocol: (\S+)", shown)
    return found[1] if found else ""
