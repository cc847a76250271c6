"""Formats of firewall rules, by name: who writes them, where they go, and whether anybody has loaded them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from admin_api.firewall.closing import Closing
from admin_api.firewall.fortigate import fortigate
from admin_api.firewall.iptables import iptables
from admin_api.firewall.mikrotik import mikrotik
from admin_api.firewall.nftables import nftables
from admin_api.firewall.pf import pf

_TRIED: Final = "Tried: a test of moatdns loads rules of this form on a gateway between network namespaces."
_READ: Final = "Not tried on a device: written by {source}. Read it before you load it."


@dataclass(frozen=True, slots=True)
class FirewallFormat:
    """One way to write rules. `place`: where the text goes; `tried`: how far it is known to work, one sentence."""

    title: str
    place: str
    tried: str
    write: Callable[[Closing], str]

    def text(self, closing: Closing) -> str:
        """The rules, headed by how far they are known to work."""
        first, newline, rest = self.write(closing).partition("\n")
        heading = f"# {self.tried}"
        lines = (first, heading) if first.startswith("#!") else (heading, first)
        return newline.join([*lines, rest])


FORMATS: Final[Mapping[str, FirewallFormat]] = {
    "nftables": FirewallFormat("nftables", "nft -f FILE, on the gateway", _TRIED, nftables),
    "iptables": FirewallFormat("iptables", "sh FILE, on the gateway", _TRIED, iptables),
    "pf": FirewallFormat(
        "pf: OpenBSD, FreeBSD, OPNsense, pfSense", "pf.conf", _READ.format(source="the manual pf.conf(5)"), pf
    ),
    "fortigate": FirewallFormat(
        "FortiGate", "the CLI of FortiOS 7", _READ.format(source="Fortinet's CLI reference"), fortigate
    ),
    "mikrotik": FirewallFormat(
        "MikroTik", "the terminal of RouterOS 7", _READ.format(source="MikroTik's manual"), mikrotik
    ),
}
