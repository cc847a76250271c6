"""Ed25519 by cryptography, whose library takes megabytes: it is imported where a key is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def is_good(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is of that public key, on a message."""
    _, public_key, invalid_signature = _library()
    try:
        public_key.from_public_bytes(public).verify(signature, message)
    except (invalid_signature, ValueError):
        return False
    return True


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature of a message."""
    private_key, _, _ = _library()
    return private_key.from_private_bytes(seed).sign(message)


def public_of(seed: bytes) -> bytes:
    """The public key."""
    private_key, _, _ = _library()
    return private_key.from_private_bytes(seed).public_key().public_bytes_raw()


def _library() -> tuple[type[Ed25519PrivateKey], type[Ed25519PublicKey], type[Exception]]:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (see above)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

    return Ed25519PrivateKey, Ed25519PublicKey, InvalidSignature
