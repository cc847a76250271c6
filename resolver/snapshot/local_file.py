"""The local names of a policy as a file of a snapshot: written, and read with each name and address looked at."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable

from resolver.wire.local_records import BY_API, NO_LOCAL_NAMES, LocalRecord, PolicyLocalNames
from resolver.wire.names import parse_name


def pack_local(records: Iterable[LocalRecord]) -> bytes:
    """The names of a policy as the octets of a file; none where there are no names."""
    plain = [[record.name, list(record.addresses), record.alias] for record in records]
    return json.dumps(plain, separators=(",", ":")).encode() if plain else b""


def read_local(octets: bytes) -> PolicyLocalNames:
    """Names that `pack_local` wrote. Raises ValueError, TypeError or RuleError for octets that it never wrote."""
    if not octets:
        return NO_LOCAL_NAMES
    plain = json.loads(octets)
    if not isinstance(plain, list):
        raise TypeError("local names are not a list")
    return PolicyLocalNames(tuple([_checked(*one) for one in plain]), hashlib.sha256(octets).hexdigest())


def _checked(name: object, addresses: object, alias: object) -> LocalRecord:
    if not isinstance(name, str) or not isinstance(alias, str) or not isinstance(addresses, list):
        raise TypeError("a local name is not a name with addresses and an alias")
    if bool(addresses) is bool(alias):
        raise ValueError(f"the local name {name!r} has both addresses and an alias, or neither")
    for address in addresses:
        if not isinstance(address, str):
            raise TypeError(f"the local name {name!r} has an address that is no text")
        ipaddress.ip_address(address)
    record = LocalRecord(name, tuple(addresses), alias, BY_API)
    parse_name(record.base)
    if alias:
        parse_name(alias)
    return record
