"""Messages between the control process and the child that signs (child.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resolver.system.channel import Asks, MessageSet

SIGN_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class DigestSigned:
    """A signature, as base64, and the public key's line."""

    value: str
    key: str


@dataclass(frozen=True, slots=True)
class SignDigest(Asks[DigestSigned]):
    """Sign a SHA-256 digest with the key that the config names, or our own in state_dir.

    Our own is made where there is none and `makes_key`.
    """

    digest: str  # hexadecimal
    configured: str | None
    state_dir: Path
    makes_key: bool


SIGN_CHANNEL: Final = MessageSet("sign", 1, DigestSigned, patience_seconds={SignDigest: SIGN_SECONDS})
