"""The protocols that a TLS client offers by ALPN, read from the first octets that it sends.

The standard library picks one of them, but does not say that none fits: the server has to end the handshake then
(RFC 7301 section 3.2). What cannot be read is left to TLS itself, which knows what to say of it.
"""

from __future__ import annotations

from typing import Final

_HANDSHAKE: Final = 22  # a record's type (RFC 8446 section 5.1)
_CLIENT_HELLO: Final = 1  # a handshake message's (section 4)
_ALPN: Final = 16  # an extension's (RFC 7301 section 3.1)
_RECORD_HEAD: Final = 5
_MESSAGE_HEAD: Final = 4
_MOST_OCTETS: Final = 65536


class HelloReader:
    """A ClientHello in whatever pieces it comes, over several records where it is long."""

    def __init__(self) -> None:
        self.is_done = False  # it has been read, or never will be
        self.protocols: list[bytes] | None = None  # those that are offered; None where it says nothing of them
        self._records = bytearray()
        self._message = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has come. Once it is done, nothing more is looked at."""
        if self.is_done:
            return
        records, message = self._records, self._message
        records += data
        while len(records) >= _RECORD_HEAD:
            if records[0] != _HANDSHAKE or len(message) > _MOST_OCTETS:
                self._end()
                return
            size = records[3] << 8 | records[4]
            if len(records) < _RECORD_HEAD + size:
                break
            message += records[_RECORD_HEAD : _RECORD_HEAD + size]
            del records[: _RECORD_HEAD + size]
            if len(message) >= _MESSAGE_HEAD:
                length = int.from_bytes(message[1:4], "big")
                if message[0] != _CLIENT_HELLO or length > _MOST_OCTETS:
                    self._end()
                    return
                if len(message) >= _MESSAGE_HEAD + length:
                    self.protocols = protocols_in(bytes(message[_MESSAGE_HEAD : _MESSAGE_HEAD + length]))
                    self._end()
                    return

    def _end(self) -> None:
        self.is_done = True
        self._records = bytearray()
        self._message = bytearray()


def protocols_in(hello: bytes) -> list[bytes] | None:
    """Protocols that a ClientHello, less its head, offers by ALPN; None where it offers none, or cannot be read."""
    try:
        at = 2 + 32  # version and random (RFC 8446 section 4.1.2)
        at += 1 + hello[at]  # session
        at += 2 + (hello[at] << 8 | hello[at + 1])  # suites
        at += 1 + hello[at]  # compression
        end = at + 2 + (hello[at] << 8 | hello[at + 1])
        at += 2
        if end > len(hello):
            return None
        while at < end:
            kind, size = hello[at] << 8 | hello[at + 1], hello[at + 2] << 8 | hello[at + 3]
            at += 4
            if at + size > end:
                return None
            if kind == _ALPN:
                return _names(hello[at : at + size])
            at += size
    except IndexError:
        pass
    return None


def _names(data: bytes) -> list[bytes] | None:
    """The names in an extension; None where they do not fill it just so."""
    if (data[0] << 8 | data[1]) != len(data) - 2:
        return None
    names = []
    at = 2
    while at < len(data):
        size = data[at]
        at += 1
        if not size or at + size > len(data):
            return None
        names.append(data[at : at + size])
        at += size
    return names or None
