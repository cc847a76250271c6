"""Signatures in minisign's format: Ed25519, prehashed (`ED`) or legacy (`Ed`), and a trusted comment, signed too.

Files are those of https://jedisct1.github.io/minisign/: what one of both programs writes, the other reads. Nothing here
opens a file, and no error holds any part of a secret key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from blocklists.feed import ed25519
from resolver.errors import MoatdnsError

MOST_OCTETS: Final = 16 << 10
"""The largest signature file that is read: minisign's own bounds of comments are 1 and 8 KiB."""

_PREHASHED, _LEGACY = b"ED", b"Ed"
_KEY = b"Ed"  # of keys, whatever they sign with
_NO_KDF = b"\0\0"
_CHECKSUM = b"B2"  # BLAKE2b
_KEY_ID_OCTETS, _KEY_OCTETS, _SIGNATURE_OCTETS, _DIGEST_OCTETS = 8, 32, 64, 32
_KDF_OCTETS = 32 + 8 + 8  # salt, operations, memory
_SECRET_OCTETS = 2 + 2 + 2 + _KDF_OCTETS + _KEY_ID_OCTETS + 2 * _KEY_OCTETS + _DIGEST_OCTETS
_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "
_MOST_COMMENT = 1024


class SignatureError(MoatdnsError):
    """A key or a signature that cannot be read, or a signature that is not good."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key with its id, which says no more than which of several keys to try."""

    id: bytes
    octets: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read the line of base64, alone or with the comment above it. Raises SignatureError."""
        lines = [line.strip() for line in text.strip().splitlines()]
        if len(lines) == 2 and lines[0].startswith(_UNTRUSTED):
            lines = lines[1:]
        octets = _decoded(lines[0] if len(lines) == 1 else "", "the public key")
        if len(octets) != len(_KEY) + _KEY_ID_OCTETS + _KEY_OCTETS or not octets.startswith(_KEY):
            raise SignatureError("this is not a public key of minisign: it is one line that begins with RW")
        return cls(octets[2:10], octets[10:])

    @property
    def name(self) -> str:
        """The id as minisign shows it: sixteen hexadecimal digits."""
        return self.id[::-1].hex().upper()

    @property
    def line(self) -> str:
        """The key as one line of base64."""
        return _encoded(_KEY + self.id + self.octets)

    @property
    def text(self) -> str:
        """The key as a file."""
        return f"{_UNTRUSTED}minisign public key {self.name}\n{self.line}\n"

    def is_good(self, signature: bytes, message: bytes) -> bool:
        """Whether a signature is of this key, on a message."""
        return ed25519.is_good(self.octets, signature, message)


@dataclass(frozen=True, slots=True, repr=False)
class SecretKey:
    """A secret key, as minisign's `-W` writes it: without a passphrase."""

    public: PublicKey
    seed: bytes

    @classmethod
    def generate(cls) -> SecretKey:
        """A new key."""
        seed = secrets.token_bytes(_KEY_OCTETS)
        return cls(PublicKey(secrets.token_bytes(_KEY_ID_OCTETS), _public_of(seed)), seed)

    @classmethod
    def parse(cls, text: str) -> SecretKey:
        """Read a key file. Raises SignatureError, also for one that a passphrase encrypts."""
        public, seed = _halves(text)
        if public.octets != _public_of(seed):  # without a passphrase there is no checksum
            raise SignatureError("this secret key is damaged: it is not that of its public half")
        return cls(public, seed)

    @classmethod
    def public_in(cls, text: str) -> PublicKey:
        """The public half that a key file holds, not held against the secret one. Raises SignatureError as `parse`."""
        return _halves(text)[0]

    @property
    def text(self) -> str:
        """The key as a file, which nobody else may read."""
        head = _KEY + _NO_KDF + _CHECKSUM + bytes(_KDF_OCTETS)
        octets = head + self.public.id + self.seed + self.public.octets + bytes(_DIGEST_OCTETS)
        return f"{_UNTRUSTED}minisign secret key {self.public.name}\n{_encoded(octets)}\n"

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""
        return ed25519.sign(self.seed, message)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature file. `trusted_comment` may be believed once `check` has found a key for it."""

    is_prehashed: bool
    key_id: bytes
    octets: bytes
    trusted_comment: str
    global_octets: bytes
    untrusted_comment: str = "signature from moatdns"

    @classmethod
    def parse(cls, content: bytes) -> Signature:
        """Read a signature file. Raises SignatureError."""
        if len(content) > MOST_OCTETS:
            raise SignatureError(f"the signature has more than {MOST_OCTETS} octets")
        try:
            # Ends of lines as minisign takes them: others (U+2028 …) may be within a comment.
            lines = [line.rstrip("\r") for line in content.decode().rstrip("\r\n").split("\n")]
        except UnicodeDecodeError:
            raise SignatureError("the signature is not a text") from None
        if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
            raise SignatureError(
                "this is not a signature of minisign: a comment, a line of base64, a trusted comment, a line of base64"
            )
        octets, signed_all = _decoded(lines[1], "the signature"), _decoded(lines[3], "the signature of the comment")
        algorithm = octets[:2]
        if len(octets) != 2 + _KEY_ID_OCTETS + _SIGNATURE_OCTETS or algorithm not in (_PREHASHED, _LEGACY):
            raise SignatureError("this signature is of a kind that is not known here: minisign writes ED or Ed")
        if len(signed_all) != _SIGNATURE_OCTETS:
            raise SignatureError("the signature of the trusted comment has another length than 64 octets")
        comment, untrusted = lines[2].removeprefix(_TRUSTED), lines[0].removeprefix(_UNTRUSTED)
        return cls(algorithm == _PREHASHED, octets[2:10], octets[10:], comment, signed_all, untrusted)

    @classmethod
    def make(cls, content: bytes, key: SecretKey, trusted_comment: str, *, is_prehashed: bool = True) -> Signature:
        """Sign content, and a comment with it. Raises SignatureError for a comment that cannot be one line."""
        if not trusted_comment.replace("\t", " ").isprintable() or len(trusted_comment.encode()) > _MOST_COMMENT:
            raise SignatureError(f"the comment has to be one line of at most {_MOST_COMMENT} printable octets")
        octets = key.sign(_message(content, is_prehashed=is_prehashed))
        signed_all = key.sign(octets + trusted_comment.encode())
        return cls(is_prehashed, key.public.id, octets, trusted_comment, signed_all)

    @property
    def text(self) -> str:
        """The signature as a file."""
        algorithm = _PREHASHED if self.is_prehashed else _LEGACY
        first = _encoded(algorithm + self.key_id + self.octets)
        return (
            f"{_UNTRUSTED}{self.untrusted_comment}\n{first}\n"
            f"{_TRUSTED}{self.trusted_comment}\n{_encoded(self.global_octets)}\n"
        )

    def check(self, content: bytes, keys: Iterable[PublicKey]) -> PublicKey:
        """The key of these that has signed the content and the trusted comment. Raises SignatureError."""
        known = list(keys)
        candidates = [key for key in known if key.id == self.key_id]
        if not candidates:
            names = ", ".join(key.name for key in known) or "none"
            raise SignatureError(f"it is signed with the key {self.key_id[::-1].hex().upper()}; trusted are: {names}")
        message = _message(content, is_prehashed=self.is_prehashed)
        for key in candidates:
            if key.is_good(self.octets, message):
                if not key.is_good(self.global_octets, self.octets + self.trusted_comment.encode()):
                    raise SignatureError("its trusted comment has been changed after it was signed")
                return key
        raise SignatureError("the signature is not good: the file is not the one that was signed, or is incomplete")


def _halves(text: str) -> tuple[PublicKey, bytes]:
    """The public key and the seed that a key file holds. Raises SignatureError."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) != 2 or not lines[0].startswith(_UNTRUSTED):
        raise SignatureError("this is not a secret key of minisign: a comment, and a line of base64")
    octets = _decoded(lines[1], "the secret key")
    if len(octets) != _SECRET_OCTETS or not octets.startswith(_KEY) or octets[4:6] != _CHECKSUM:
        raise SignatureError("this is not a secret key of minisign")
    if octets[2:4] != _NO_KDF:
        raise SignatureError(
            "a passphrase encrypts this key: sign with 'minisign -S -s KEY -m FILE', or take the passphrase off a "
            "copy of it with 'minisign -C -W -s COPY'"
        )
    rest = octets[6 + _KDF_OCTETS :]
    return PublicKey(rest[:8], rest[40:72]), rest[8:40]


def _message(content: bytes, *, is_prehashed: bool) -> bytes:
    return hashlib.blake2b(content).digest() if is_prehashed else content


def _public_of(seed: bytes) -> bytes:
    return ed25519.public_of(seed)


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _decoded(line: str, what: str) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(f"{what} is not base64") from None
