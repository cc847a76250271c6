"""Ed25519 by cryptography, whose library takes megabytes: minisign imports this where a key is at work."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def is_good(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is of that public key, on a message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature of a message."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def public_of(seed: bytes) -> bytes:
    """The public key."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
