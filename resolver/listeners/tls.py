"""TLS without I/O: octets of the wire in, octets of the session out, and the other way round."""

from __future__ import annotations

import contextlib
import ssl

_PIECE_BYTES = 1 << 16


class NamedObject(ssl.SSLObject):
    """A connection's TLS, with the server name that its client asked for."""

    asked_for = ""


def note_server_name(one: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
    """Keep the server name that a client asks for (SNI, RFC 6066 section 3)."""
    if isinstance(one, NamedObject) and name is not None:
        one.asked_for = name


class TlsLayer:
    """The server's side of one TLS connection. After `take`, `put` and `close`, `outgoing` is to be sent."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.is_open = False  # the handshake is done
        self.is_ended = False  # the client has said that it sends no more
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    @property
    def server_name(self) -> str:
        """The server name that the client asked for, "" for none."""
        return self._object.asked_for if isinstance(self._object, NamedObject) else ""

    @property
    def protocol(self) -> str | None:
        """The protocol that was agreed on (ALPN, RFC 7301)."""
        return self._object.selected_alpn_protocol()

    def take(self, data: bytes) -> bytes:
        """Take octets from the wire; gives what they hold for the session. Raises ssl.SSLError."""
        self._incoming.write(data)
        pieces = []
        try:
            if not self.is_open:
                self._object.do_handshake()
                self.is_open = True
            while piece := self._object.read(_PIECE_BYTES):
                pieces.append(piece)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def put(self, data: bytes) -> None:
        """Have octets of the session sent."""
        if self.is_open:
            self._object.write(data)

    def close(self) -> None:
        """Say that no more is sent."""
        if self.is_open:
            with contextlib.suppress(ssl.SSLError):  # the client's own word is still to come, or never comes
                self._object.unwrap()

    def outgoing(self) -> bytes:
        """What is to be sent on the wire now."""
        return self._outgoing.read()
