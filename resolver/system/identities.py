"""Identities as they are compared: one person has one form, whatever the spelling. No I/O."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//[^/?#]*)?")  # of a URI (RFC 3986 section 3), with its host

_END: Final = re.compile(r"[\s.]+\Z")  # the dot of the root, as host names may have it


def folded(identity: str) -> str:
    """An identity in the form in which it is compared: lower case, but for what follows a URI's host.

    Mail addresses, user principal names and host names differ by no letter case; paths of URIs do.
    """
    written = unicodedata.normalize("NFC", identity).strip()
    scheme = _SCHEME.match(written)
    if scheme is not None:
        return scheme[0].lower() + written[scheme.end() :]
    return _END.sub("", unicodedata.normalize("NFC", written.lower()))
