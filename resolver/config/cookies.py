"""The secrets of server cookies as admins write them. No I/O, and no error shows one."""

from __future__ import annotations

import re

SECRET_BYTES = 16

_SECRET = re.compile(r"[0-9a-fA-F]{32}\Z")


def read_secrets(text: str) -> tuple[bytes, ...]:
    """The secrets that a text holds, one a line, 32 hex digits each: the one in use, and the one before.

    Raises ValueError, whose text does not show them.
    """
    lines = text.split()
    if not 1 <= len(lines) <= 2 or not all(_SECRET.match(line) for line in lines):
        raise ValueError("should contain 32 hex digits, and on an optional second line those of the previous secret")
    return tuple(bytes.fromhex(line) for line in lines)
