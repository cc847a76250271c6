"""Formats of firewall rules, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from admin_api.firewall.closing import Closing
from admin_api.firewall.fortigate import fortigate
from admin_api.firewall.mikrotik import mikrotik
from admin_api.firewall.nftables import nftables
from admin_api.firewall.pf import pf

FORMATS: Final[Mapping[str, Callable[[Closing], str]]] = {
    "nftables": nftables,
    "pf": pf,
    "fortigate": fortigate,
    "mikrotik": mikrotik,
}
