"""Encryption of a backup: the age format, version 1, by a passphrase (C2SP, age-encryption.org/v1).

The file can be read by `age -d` as well. Its key is wrapped by scrypt and ChaCha20-Poly1305; the content goes in chunks
of 64 KiB, each with its number and whether it is the last in its nonce: a chunk that was changed, moved, left out or
cut off fails. Nothing is held in memory but a chunk, and what scrypt needs for a second.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from admin_api.backup.errors import DamagedBackup, WrongPassphrase

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

BEGIN: Final = b"age-encryption.org/v1\n"
"""The first octets of every such file."""
WrappingKeys = dict[tuple[bytes, bytes, int], bytes]
"""Keys that scrypt gave for a passphrase, a salt and a work factor."""
WORK_FACTOR: Final = 17
"""Logarithm of scrypt's N: 128 MiB, and about half a second a guess."""

_MOST_WORK = 20  # that a file may ask for: 1 GiB
_LABEL = b"age-encryption.org/v1/scrypt"
_STANZA = re.compile(rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)\n([A-Za-z0-9+/]{43})\n--- ([A-Za-z0-9+/]{43})\n\Z")
_MOST_HEADER = 1024
_LINES = 4  # of the header: version, stanza, its body, MAC
_CHUNK = 65536
_TAG = 16
_KEY = 16
_NONCE = 16
_BLOCK = 8  # scrypt's r


class Encrypting(io.RawIOBase):
    """A file that encrypts what is written to it. Whole once it is closed; the file below stays open."""

    def __init__(self, out: BinaryIO, passphrase: bytes, work_factor: int = WORK_FACTOR) -> None:
        super().__init__()
        self._out = out
        key, salt, nonce = os.urandom(_KEY), os.urandom(16), os.urandom(_NONCE)
        wrapped = ChaCha20Poly1305(_wrapping_key(passphrase, salt, work_factor)).encrypt(bytes(12), key, None)
        head = b"%s-> scrypt %s %d\n%s\n---" % (BEGIN, _text(salt), work_factor, _text(wrapped))
        out.write(b"%s %s\n%s" % (head, _text(_mac(key, head)), nonce))
        self._cipher = ChaCha20Poly1305(_derived(key, nonce, b"payload"))
        self._number = 0
        self._waiting = bytearray()

    def writable(self) -> bool:
        """It can be written."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Take some octets."""
        octets = memoryview(data).cast("B")
        self._waiting += octets
        while len(self._waiting) > _CHUNK:  # the last chunk is never empty, unless all is
            self._put(bytes(self._waiting[:_CHUNK]), is_last=False)
            del self._waiting[:_CHUNK]
        return len(octets)

    def close(self) -> None:
        """Write the last chunk."""
        if not self.closed:
            try:
                self._put(bytes(self._waiting), is_last=True)
            finally:
                super().close()

    def _put(self, chunk: bytes, *, is_last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), chunk, None))
        self._number += 1


class Decrypting(io.RawIOBase):
    """A file that decrypts what is read of the one below it. Raises DamagedBackup, WrongPassphrase."""

    def __init__(self, source: BinaryIO, passphrase: bytes, known: WrappingKeys | None = None) -> None:
        """`known` keeps what scrypt gave, for the next reading of the same file."""
        super().__init__()
        self._source = source
        self._cipher = _opened(source, passphrase, {} if known is None else known)
        self._number = 0
        self._ahead = source.read(_CHUNK + _TAG)
        self._ready = b""
        self._is_over = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Give the next octets; none at the end."""
        room = memoryview(buffer).cast("B")
        while not self._ready and not self._is_over:
            self._ready = self._next()
        size = min(len(room), len(self._ready))
        room[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next(self) -> bytes:
        here = self._ahead
        self._ahead = self._source.read(_CHUNK + _TAG) if len(here) == _CHUNK + _TAG else b""
        self._is_over = not self._ahead
        try:
            chunk = self._cipher.decrypt(_nonce(self._number, is_last=self._is_over), here, None)
        except InvalidTag:
            raise DamagedBackup("the file is damaged, or its end is missing") from None
        if not chunk and self._number:
            raise DamagedBackup("the file is damaged: its last piece is empty")
        self._number += 1
        return chunk


def _opened(source: BinaryIO, passphrase: bytes, known: WrappingKeys) -> ChaCha20Poly1305:
    """The cipher of the content, whose first octet comes next."""
    header = b"".join(_lines(source))
    match = _STANZA.match(header.removeprefix(BEGIN)) if header.startswith(BEGIN) else None
    if match is None:
        raise WrongPassphrase("the file is not encrypted by a passphrase as a backup is, or its beginning is damaged")
    salt, wrapped, told = _octets(match[1]), _octets(match[3]), _octets(match[4])
    if int(match[2]) > _MOST_WORK:
        raise DamagedBackup(f"the file asks for too much work: scrypt by {int(match[2])}, and {_MOST_WORK} is the most")
    work = (passphrase, salt, int(match[2]))
    if work not in known:
        known[work] = _wrapping_key(*work)
    try:
        key = ChaCha20Poly1305(known[work]).decrypt(bytes(12), wrapped, None)
    except InvalidTag:
        raise WrongPassphrase("the passphrase is not that of this file") from None
    if len(key) != _KEY or not hmac.compare_digest(told, _mac(key, header[: header.rindex(b"---") + 3])):
        raise DamagedBackup("the beginning of the file was changed")
    nonce = source.read(_NONCE)
    if len(nonce) != _NONCE:
        raise DamagedBackup("the end of the file is missing")
    return ChaCha20Poly1305(_derived(key, nonce, b"payload"))


def _lines(source: BinaryIO) -> Iterable[bytes]:
    left = _MOST_HEADER
    for _ in range(_LINES):
        line = source.readline(left)
        left -= len(line)
        yield line
        if not left:
            return


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _wrapping_key(passphrase: bytes, salt: bytes, work_factor: int) -> bytes:
    cost = 1 << work_factor
    room = 128 * _BLOCK * cost + (1 << 20)
    return hashlib.scrypt(passphrase, salt=_LABEL + salt, n=cost, r=_BLOCK, p=1, maxmem=room, dklen=32)


def _derived(key: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def _mac(key: bytes, head: bytes) -> bytes:
    return hmac.new(_derived(key, None, b"header"), head, hashlib.sha256).digest()


def _text(octets: bytes) -> bytes:
    return base64.b64encode(octets).rstrip(b"=")


def _octets(text: bytes) -> bytes:
    try:
        octets = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise DamagedBackup("the beginning of the file is damaged") from None
    if _text(octets) != text:  # another spelling of the same octets is none of the format
        raise DamagedBackup("the beginning of the file is damaged")
    return octets
