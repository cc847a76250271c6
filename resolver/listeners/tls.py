"""TLS of a connection, without its I/O: octets of the network in, those of the client out, and the other way."""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resolver.config.certificates import load_pair
from resolver.errors import ListenError
from resolver.wire.client_hello import HelloReader

_CHUNK = 16384  # octets of a TLS record
_MOST_HELLO_BYTES = 65536  # that a client may send before its handshake is done
_VERSIONS_FROM = ssl.TLSVersion.TLSv1_2
_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2: forward secrecy and AEAD, no CBC (RFC 9325 section 4.2)
_NO_CERTIFICATE = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
_NO_APPLICATION_PROTOCOL = 120  # an alert (RFC 7301 section 3.2)

DOT: Final = ("dot",)
DOH: Final = ("h2", "http/1.1")

# Errors of a certificate (OpenSSL's x509_vfy.h, X509_V_ERR_...), as those of resolver.config.client_authorities.
_FAULTS: Final = {
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 24, 27, 28, 29, 30, 31, 32), "unknown_ca"),
    **dict.fromkeys((3, 5, 8, 11, 12, 15, 16, 33, 35, 36, 44), "no_valid_crl"),
    9: "not_yet_valid",
    10: "expired",
    23: "revoked",
}


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """Check of clients' certificates that TLS makes in full handshakes: by CAs and their CRLs, as PEM."""

    certificates: str
    crls: bytes  # b"": nobody is asked whether a certificate is revoked
    required: bool

    def put_into(self, context: ssl.SSLContext) -> None:
        """Have a context ask its clients for a certificate. Raises ListenError."""
        context.verify_mode = ssl.CERT_REQUIRED if self.required else ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a CA between may stand there without its root
        try:
            context.load_verify_locations(cadata=self.certificates)
            if self.crls:
                # OpenSSL takes CRLs from files only; what has been checked is in memory, and the file may change.
                with os.fdopen(os.memfd_create("crl"), "wb") as file:
                    file.write(self.crls)
                    file.flush()
                    context.load_verify_locations(cafile=f"/proc/self/fd/{file.fileno()}")
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        except OSError as error:  # ssl.SSLError is one
            raise ListenError(f"tls.clients: TLS does not take these CAs and CRLs: {error}") from error


class ServerContext:
    """The certificate that new connections are answered with, and the ALPN names that are spoken.

    `context` is None before `renew` has found a pair that can be used.
    """

    def __init__(self, certificate: Path, private_key: Path, protocols: tuple[str, ...]) -> None:
        self.context: ssl.SSLContext | None = None
        self._files = (certificate, private_key)
        self._content: list[bytes] = []  # of the files, when they were used last
        self._clients: ClientCheck | None = None
        self._protocols = protocols

    def look(self) -> None:
        """Read the pair, and change nothing. Raises ListenError where it cannot be used."""
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *self._files)

    def renew(self, clients: ClientCheck | None = None) -> None:
        """Read the pair again; another one is used from now on. Raises ListenError; the old one stays in force then.

        `clients`: how their certificates are checked; None: they are asked for none.

        Open connections go on. Another pair means another context, and full handshakes once where sessions were to be
        resumed: a context that had a pair of RSA and is given one of ECDSA would go on showing both. So does another
        check of clients: no session outlives the CAs and CRLs that it was begun under.
        """
        content = [_octets_of(file) for file in self._files]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_pair(context, *self._files)
        if content == self._content and clients == self._clients:
            return
        context.minimum_version = _VERSIONS_FROM
        context.set_ciphers(_SUITES)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(list(self._protocols))
        known = frozenset(name.encode() for name in self._protocols)
        context.sni_callback = functools.partial(_look_at_hello, known)
        if clients is not None:
            clients.put_into(context)
        self.context, self._content, self._clients = context, content, clients


def _octets_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # whoever loads it says why
        return b""


def ignore_senseless_names() -> None:
    """Let no client write into the log: Python would tell of each name (SNI) that is no ASCII, with a traceback.

    The handshake fails all the same, and is counted with the others that do.
    """
    tell = sys.unraisablehook

    def hook(what: sys.UnraisableHookArgs) -> None:
        if not (isinstance(what.exc_value, UnicodeDecodeError) and isinstance(what.object, bytes)):
            tell(what)

    sys.unraisablehook = hook


def _look_at_hello(
    known: frozenset[bytes], channel: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
) -> int | None:
    """Note the client's name for us, and end the handshake where it speaks nothing that we do.

    Called once the whole ClientHello is here, also where there is no name in it.
    """
    channel.client_hello_name = name  # type: ignore[union-attr]  # nothing else keeps it on this side
    offered: list[bytes] | None = getattr(channel, "client_hello_protocols", None)
    return None if offered is None or known.intersection(offered) else _NO_APPLICATION_PROTOCOL


def failure_of(error: ssl.SSLError) -> str:
    """The counter of a TLS error: that of a client's certificate, or of all else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client_certificate_{_FAULTS.get(error.verify_code, 'unusable')}"
    # Some errors have none, whatever its type says, which compiled code believes.
    reason: object = getattr(error, "reason", None)
    return "client_certificate_missing" if reason == _NO_CERTIFICATE else "tls_failed"


class Tls:
    """TLS of one connection. `is_open`: the handshake is done; `has_ended`: the client sends no more."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._channel = context.wrap_bio(self._in, self._out, server_side=True)
        self._hello_bytes = 0
        self._hello = HelloReader()
        self.is_open = False
        self.has_ended = False

    def feed(self, data: bytes) -> bytes:
        """Decrypt octets of the network; the client's data. Raises ssl.SSLError for what is no TLS."""
        if self.has_ended:
            return b""  # TLS would keep it, and never look at it
        self._in.write(data)
        if not self.is_open:
            self._hello_bytes += len(data)
            if not self._hello.is_done:
                self._hello.feed(data)
                self._channel.client_hello_protocols = self._hello.protocols  # type: ignore[attr-defined]  # as the name
            try:
                self._channel.do_handshake()
            except ssl.SSLWantReadError:
                if self._hello_bytes > _MOST_HELLO_BYTES:
                    raise ssl.SSLError("a handshake without end") from None
                return b""
            self.is_open = True
        plain = []
        try:
            while chunk := self._channel.read(_CHUNK):
                plain.append(chunk)
                # Asked once more it would only raise that it wants more, which costs as much as the reading.
                if not (self._in.pending or self._channel.pending()):
                    return chunk if len(plain) == 1 else b"".join(plain)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.has_ended = True
        return b"".join(plain)

    def seal(self, *pieces: bytes) -> bytes:
        """Octets for the network that say all this to the client, each piece in records of its own."""
        for piece in pieces:
            self._channel.write(piece)
        return self._out.read()

    def take(self) -> bytes:
        """Octets for the network that TLS itself has to say."""
        return self._out.read() if self._out.pending else b""

    def close(self) -> bytes:
        """The octets that say goodbye, so that the client knows that nothing was cut off."""
        with contextlib.suppress(ssl.SSLError):  # it wants to hear the client's goodbye, which we do not wait for
            self._channel.unwrap()
        return self.take()

    @property
    def protocol(self) -> str | None:
        """The protocol that was agreed on by ALPN."""
        return self._channel.selected_alpn_protocol()

    @property
    def server_name(self) -> str | None:
        """As whom the client addresses us (SNI)."""
        return getattr(self._channel, "client_hello_name", None)

    @property
    def client_certificate(self) -> bytes | None:
        """The certificate that the client has shown, now or when the session began, as DER; None for none."""
        return self._channel.getpeercert(binary_form=True)
