"""The leases file of dnsmasq: ``EXPIRY HARDWARE ADDRESS NAME CLIENT-ID`` a line (``lease_update_file`` in its lease.c).

A line ``duid …`` has those of IPv6 behind it, with the IAID in the second place (``T`` before it: a temporary address).
"""

from __future__ import annotations

from typing import Final

from admin_api.host_names.found import FoundNames

_NO_NAME: Final = "*"
_SERVER: Final = "duid"
_FIELDS: Final = 4  # up to the name; a client id may be missing in files of old versions
_LEAST_TIME: Final = 100_000_000  # in 1973: less is for how long, as dnsmasq has it on machines without a clock


def read_dnsmasq(content: bytes, found: FoundNames) -> None:
    """Note the names of a leases file of dnsmasq."""
    for number, line in enumerate(content.splitlines(), 1):
        words = line.decode("utf-8", "replace").split()
        if not words or words[0] == _SERVER:
            continue
        if len(words) < _FIELDS or not (words[0].isascii() and words[0].isdigit()):
            found.pass_over(number, "is not 'EXPIRY HARDWARE ADDRESS NAME CLIENT-ID', as dnsmasq writes leases")
            continue
        if words[3] == _NO_NAME:
            continue
        seconds = float(words[0][:18])  # digits: no float is too small for them
        found.add(number, words[2], words[3], seconds if seconds >= _LEAST_TIME else None)  # 0: it never ends
