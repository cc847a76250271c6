"""Names that clients have without claiming them: how they are told from those that are claimed, and compared.

A certificate proves some; a trusted proxy says others by a MAC address (``mac:02:00:5e:00:53:01``).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from resolver.errors import RuleError
from resolver.system.identities import folded
from resolver.system.safe_text import refuse_acting

PROVED: Final = "proved:"
"""Begins a client name that only a certificate gives. No claim has it: a claimed name is one label, without a colon."""

MAC: Final = "mac:"
"""Begins a client name that only a trusted proxy gives, by the MAC address of the machine that asks."""

MOST_OCTETS: Final = 200  # of a name in UTF-8, as of an identity in a lease
_OCTETS_OF_MAC = re.compile(r"[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}\Z")
_CLAIMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}\Z")  # ASCII: a Kelvin sign is no k


def is_claimable(text: str) -> bool:
    """Whether a client may call itself so: one label of letters, digits and hyphens."""
    return _CLAIMED.match(text) is not None


def proved_by(client_name: str) -> str | None:
    """The identity in a client name that a certificate gives; None for a name that is claimed."""
    return client_name[len(PROVED) :] if client_name.startswith(PROVED) else None


def mac_name(octets: bytes) -> str:
    """The client name of the machine with this MAC address."""
    return MAC + octets.hex(":")


def is_mac_name(client_name: str) -> bool:
    """Whether a client name in its normal form is a machine's."""
    return client_name.startswith(MAC)


def normal_identity(text: str) -> str:
    """An identity that a certificate may prove, in its one normal form (`folded`). Raises RuleError.

    A comma is refused, since it ends a name wherever people write several.
    """
    imitating = next((letter for letter in text if _imitates_ascii(letter)), None)
    if imitating is not None:
        raise RuleError(f"has {imitating!r} (U+{ord(imitating):04X}), which would be taken for a letter of ASCII")
    written = unicodedata.normalize("NFC", text).strip()
    refuse_acting(written)
    if "," in written:
        raise RuleError("has a comma, which no name in a certificate may have: write each name by itself")
    if not written or any(letter.isspace() for letter in written):
        raise RuleError("is not a name in a certificate: write one as in 'proved:alice@example.com', without spaces")
    normal = folded(written)
    if not 0 < len(normal.encode()) <= MOST_OCTETS:
        raise RuleError(f"should be a name of 1 to {MOST_OCTETS} octets")
    return normal


def _imitates_ascii(letter: str) -> bool:
    """Whether a letter that is no ASCII becomes it in the normal form, as a Kelvin sign becomes k."""
    return not letter.isascii() and any(one.isascii() for one in unicodedata.normalize("NFC", letter).lower())


def normal_client_name(text: str) -> str:
    """A client name as groups' names are compared with it: of a claimed one the lower case. Raises RuleError."""
    written = text.strip()
    if written[: len(PROVED)].lower() == PROVED:
        return PROVED + normal_identity(written[len(PROVED) :])
    lower = written.lower()
    if not is_mac_name(lower):
        return lower
    octets = lower.removeprefix(MAC)
    if not _OCTETS_OF_MAC.match(octets):
        raise RuleError("is not a MAC address: write six octets, as in 'mac:02:00:5e:00:53:01'")
    return MAC + octets.replace("-", ":")
