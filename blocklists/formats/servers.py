"""Configurations of other resolvers: dnsmasq(8) and unbound.conf(5)."""

from __future__ import annotations

import re

from blocklists.formats.content import Collector
from blocklists.formats.names import SINKHOLES, Lines

_DNSMASQ = re.compile(r"(address|server|local)=/(.+)/([^/]*)\Z")
_ZONE = re.compile(r"local-zone:\s*[\"']?([^\"'\s]+)[\"']?\s+[\"']?([a-z_]+)[\"']?\s*(?:#.*)?\Z")
_DATA = re.compile(r"local-data:\s*[\"'](\S+)\s+(?:\d+\s+)?(?:IN\s+)?(A|AAAA)\s+(\S+)[\"']\s*(?:#.*)?\Z", re.IGNORECASE)
_BLOCKING = frozenset(
    (
        *("deny", "refuse", "static", "redirect", "inform_deny", "inform_redirect", "block_a", "always_deny"),
        *("always_refuse", "always_nxdomain", "always_nodata", "always_null"),
    )
)
_ALLOWING = frozenset({"transparent", "typetransparent", "always_transparent", "inform", "nodefault"})


def read_dnsmasq(lines: Lines, into: Collector) -> None:
    """``address=/name/`` with no address or a sinkhole, and ``server=/name/`` and ``local=/name/`` without a server."""
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            into.comments += bool(text)
            continue
        found = _DNSMASQ.match(text.partition(" #")[0].strip())
        if found is None:
            into.problem(number, line, "it should be as in 'address=/example.com/0.0.0.0'")
            continue
        what, names, value = found.groups()
        if what != "address" and value:
            into.inexpressible(number, "a server for a name is no block: see upstream.zones")
        elif value and value != "#" and value not in SINKHOLES:
            into.inexpressible(number, "a name with an address of its own is no block")
        else:
            for name in names.split("/"):
                if name.startswith("*") and not name.startswith("*."):
                    into.rule(number, name)  # "*example.com": any name that ends so
                else:
                    into.name(number, name.removeprefix("*.").removeprefix("."))


def read_unbound(lines: Lines, into: Collector) -> None:
    """local-zone and local-data. Data of a transparent zone's own name speaks before the zone, as in unbound."""
    transparent: list[tuple[int, str]] = []
    with_data: set[str] = set()
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#") or text.partition("#")[0].strip() in ("server:", "view:"):
            into.comments += bool(text)
        elif found := _ZONE.match(text):
            name, kind = found.groups()
            if kind in _BLOCKING:
                into.name(number, name.removesuffix("."))
            elif kind in _ALLOWING and kind != "always_transparent":
                transparent.append((number, name.removesuffix(".")))
            elif kind in _ALLOWING:
                into.name(number, name.removesuffix("."), "", "allow")
            else:
                into.problem(number, line, f"{kind!r} is no type of a local-zone that is known")
        elif found := _DATA.match(text):
            name, _, address = found.groups()
            if address in SINKHOLES:
                with_data.add(name.removesuffix(".").lower())
                into.name(number, name.removesuffix("."), "=")
            else:
                into.inexpressible(number, "a name with an address of its own is no block")
        elif text.startswith("local-data"):
            into.inexpressible(number, "records of one's own are no block")
        else:
            into.problem(number, line, "it should be as in 'local-zone: \"example.com\" always_nxdomain'")
    for number, name in transparent:
        into.name(number, name, "*." if name.lower() in with_data else "", "allow")
