"""The name that a visitor is here for: by Host, or typed in on the page's own address. Both are hostile text."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from resolver.errors import RuleError
from resolver.wire.names import parse_name, to_text

_LONGEST = 300  # characters that are read at all; a name in text has 253 at most


@dataclass(frozen=True, slots=True)
class Host:
    """The Host header. `name` is None for an address, or for what is no name."""

    name: str | None
    is_own: bool  # the page's own address or name, where a name may be looked up


def read_host(values: Sequence[str], own_names: Sequence[str]) -> Host:
    """Read the Host headers of a request.

    An address is the page's own: a page of somebody else's that has its name lead here cannot be called by one, so that
    it can neither look up names nor ask for anything but itself (DNS rebinding).
    """
    text = values[0].strip() if len(values) == 1 else ""
    if not 0 < len(text) <= _LONGEST or not text.isascii():
        return Host(None, is_own=False)
    host = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return Host(None, is_own=True)
    name = name_in(host)
    return Host(name, is_own=name is not None and name in own_names)


def name_in(text: str) -> str | None:
    """The host name in what a person typed: a name, or a URL with one. None: there is none."""
    written = text.strip()
    if len(written) > _LONGEST:
        return None
    host = written.partition("://")[2] or written
    for end in "/?#":
        host = host.partition(end)[0]
    host = host.rpartition("@")[2].partition(":")[0]
    try:
        return to_text(parse_name(host))
    except RuleError:
        return None
