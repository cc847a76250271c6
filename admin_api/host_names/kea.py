"""Lease files of Kea's memfile: CSV whose first line names the columns, one line for each change of a lease.

The last line of an address counts. Commas within a column are written ``&#x2c``.
"""

from __future__ import annotations

from typing import Final

from admin_api.host_names.found import FoundNames

HEAD: Final = b"address,"
"""Begins each of them, of DHCPv4 and DHCPv6."""

_NEEDED: Final = ("address", "valid_lifetime", "expire", "hostname", "state")
_KIND: Final = "lease_type"
_IN_USE: Final = "0"  # of the states: it is neither declined nor reclaimed
_PREFIX: Final = "2"  # of the kinds: a delegated prefix, whose addresses are nobody's in particular
_OVER: Final = "0"  # a lifetime that a lease is removed with
_FOR_EVER: Final = "4294967295"


def read_kea(content: bytes, found: FoundNames) -> None:
    """Note the names of a lease file of Kea, over those of the files before it."""
    first, *lines = content.decode("utf-8", "replace").split("\n")
    columns = first.rstrip("\r").split(",")
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        found.pass_over(1, f"has no column {', '.join(missing)}: is it a lease file of Kea?")
        return
    at, lifetime, expire, named, state = map(columns.index, _NEEDED)
    kind = columns.index(_KIND) if _KIND in columns else None
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        row = line.rstrip("\r").split(",")
        if len(row) < len(columns):
            found.pass_over(number, f"has {len(row)} columns, and the first line {len(columns)}")
            continue
        if kind is not None and row[kind] == _PREFIX:
            continue
        address, name = row[at], row[named].replace("&#x2c", ",")
        if row[state] != _IN_USE or row[lifetime] == _OVER or not name.strip(". "):
            found.forget(address)
            continue
        if not (row[expire].isascii() and row[expire].isdigit()):
            found.pass_over(number, "its column expire is no time, in seconds since 1970")
            continue
        until = None if row[lifetime] == _FOR_EVER else float(row[expire][:18])
        found.add(number, address, name, until)
