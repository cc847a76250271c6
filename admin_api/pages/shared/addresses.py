"""Addresses that browsers send: anybody may have written them."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

_LONGEST = 2000  # characters
_NOTHING = urlsplit("")


def split(address: str) -> SplitResult:
    """The parts of an address; none where it is no address."""
    try:
        return urlsplit(address)
    except ValueError:  # such as of a bracket that is not closed
        return _NOTHING


def ours(address: str) -> str:
    """An address on this site; the overview in place of any other, since a link to /login may come from anywhere."""
    parts = split(address)
    is_ours = (
        parts.path.startswith("/")
        and not parts.scheme
        and not parts.netloc
        and address.startswith("/")
        and not address.startswith(("//", "/\\"))
    )
    return address if is_ours and len(address) <= _LONGEST and address.isprintable() else "/"
