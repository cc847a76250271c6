"""MAC addresses in EDNS options, as far as a trusted proxy says by them which machine asks: dnsmasq's ``add-mac``.

It writes six octets (option 65001), or, with ``add-mac=text`` and ``=base64``, text (option 65073). Neither is
registered. No I/O.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from typing import Final

from resolver.wire.codes import EdnsOption

_MAC: Final = int(EdnsOption.MAC)
_DEVICE_ID: Final = int(EdnsOption.DEVICE_ID)
_OCTETS: Final = 6
_BASE64: Final = 8  # characters that six octets are
_TEXT = re.compile(rb"[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}\Z")


def mac_of(options: Mapping[int, bytes]) -> bytes | None:
    """The six octets of the MAC address that a query's options name; None without any of them.

    b"" where what they say cannot be read, is no machine's own (all zeros, a group's), or is two of them.
    """
    told: set[bytes] = set()
    raw, text = options.get(_MAC), options.get(_DEVICE_ID)
    if raw is not None:
        told.add(_machine(raw))
    if text is not None:
        told.add(_read(text))
    if not told:
        return None
    return told.pop() if len(told) == 1 else b""


def _read(data: bytes) -> bytes:
    """The octets that a text says; b"" where it says none."""
    if _TEXT.match(data):
        return _machine(bytes.fromhex(data.decode("ascii").replace("-", "").replace(":", "")))
    if len(data) != _BASE64:
        return b""
    try:
        return _machine(b64decode(data, validate=True))
    except Error:
        return b""


def _machine(octets: bytes) -> bytes:
    """The octets, if they are one machine's: not all zeros, and no group's (IEEE 802, the lowest bit of the first)."""
    is_one = len(octets) == _OCTETS and any(octets) and not octets[0] & 1
    return octets if is_one else b""
