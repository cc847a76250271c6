"""Addresses, networks and endpoints as admins write them. No I/O; every error is a RuleError."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from resolver.config.wording import nearest, shown
from resolver.errors import RuleError
from resolver.policy.proved_names import is_claimable, is_mac_name, normal_client_name, proved_by
from resolver.wire.names import parse_name, to_text

NAMED_CLIENTS: Final[dict[str, tuple[str, ...]]] = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": (
        "10.0.0.0/8",  # RFC 1918 section 3
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # shared by carriers and VPNs (RFC 6598)
        "169.254.0.0/16",  # link-local (RFC 3927)
        "fc00::/7",  # unique local (RFC 4193)
        "fe80::/10",  # link-local (RFC 4291 section 2.5.6)
    ),
}
"""Names of networks that ``clients.allow`` takes."""

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # IPv4-mapped (RFC 4291 section 2.5.5.2)
BRACKETED = re.compile(r"\[(?P<host>[^\[\]]*)\](?::(?P<port>[0-9]{1,5}))?\Z")
BARE = re.compile(r"(?P<host>[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?\Z")
SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)\Z", re.DOTALL)
_EVERYONE = frozenset({"all", "any", "everyone", "*"})

_LONGEST_PREFIX = 128
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_network(text: str) -> str:
    """A network or a single address in CIDR form; IPv4-mapped IPv6 becomes IPv4. ``10.0.0.1`` is ``10.0.0.1/32``."""
    written = text.strip()
    address_text, slash, prefix = written.partition("/")
    try:
        address = ipaddress.ip_address(address_text)
    except ValueError:
        raise RuleError(
            f"{shown(text)} is not a network: write it as in '10.20.0.0/16', '2001:db8:20::/48' or '10.20.0.7'"
        ) from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise RuleError(f"{shown(text)}: remove the interface after '%'; a network has none")
    length = _prefix_length(prefix, address, written) if slash else address.max_prefixlen
    if isinstance(address, ipaddress.IPv6Address) and address in _MAPPED and length >= _MAPPED.prefixlen:
        address, length = ipaddress.IPv4Address(address.packed[-4:]), length - _MAPPED.prefixlen
    network = ipaddress.ip_network((address, length), strict=False)
    if network.network_address != address:
        raise RuleError(f"{shown(text)} has bits set behind its prefix: did you mean '{network}', or only '{address}'?")
    return str(network)


def _prefix_length(prefix: str, address: _Address, written: str) -> int:
    if prefix.isascii() and prefix.isdigit() and len(prefix) <= 3 and int(prefix) <= address.max_prefixlen:
        return int(prefix)
    raise RuleError(
        f"{shown(written)} is not a network: after '/' write the prefix length, 0 to {address.max_prefixlen}"
    )


def read_client_set(text: str) -> str:
    """An entry of ``clients.allow``: a named set as it stands, or a network."""
    written = text.strip()
    if written in NAMED_CLIENTS:
        return written
    if written in _EVERYONE:
        raise RuleError(f"{shown(text)} is not a network: to answer everyone write '0.0.0.0/0' and '::/0'")
    if (meant := nearest(written, NAMED_CLIENTS)) is not None:
        raise RuleError(f"{shown(text)} is neither a network nor a named set: did you mean {meant!r}?")
    return read_network(text)


def read_client_name(text: str) -> str:
    """A name of clients: one label, in lower case, ``proved:`` and a name in a certificate, or ``mac:`` and octets."""
    try:
        name = normal_client_name(text)
    except RuleError as error:
        raise RuleError(f"{shown(text)} {error}") from None
    if proved_by(name) is None and not is_mac_name(name) and not is_claimable(text.strip()):
        raise RuleError(
            f"{shown(text)} is not a client name: use letters, digits and '-', at most 63, and no '-' at the "
            "beginning; a name that a certificate proves is written as in 'proved:alice@example.com', a "
            "machine's that a trusted proxy names as in 'mac:02:00:5e:00:53:01'"
        )
    return name


def parse_endpoint(text: str) -> tuple[str, int]:
    """The address (IPv6 without brackets) and port to listen on, of ``127.0.0.1:53`` or ``[::1]:53``."""
    written = text.strip()
    match = BRACKETED.match(written) or BARE.match(written)
    if match is None or match["port"] is None:
        raise RuleError(
            f"{shown(text)} is not an address with a port: write it as in '127.0.0.1:53' or '[::1]:53'; "
            "all addresses are '0.0.0.0:53' and '[::]:53'"
        )
    return host_of(match, text), port_of(match, text)


def read_endpoint(text: str) -> str:
    """An endpoint to listen on, in its one normal form."""
    host, port = parse_endpoint(text)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_zone(text: str) -> tuple[tuple[str, ...], int]:
    """The names of a zone in their one normal form, and the length of the prefix that they stand for.

    A network gives its reverse zones: one, or up to 128 where its prefix ends within an octet (IPv4), up to eight where
    it ends within a nibble (IPv6). The name of a reverse zone stands for its network, any other for the longest prefix.
    """
    if "/" not in text:
        name = to_text(parse_name(text))
        return (name,), _reverse_length(name)
    network = ipaddress.ip_network(read_network(text))
    bits_a_label = 8 if network.version == 4 else 4
    if network.prefixlen == 0:
        raise RuleError(f"{shown(text)} is every address: write the zone's name, 'in-addr.arpa' or 'ip6.arpa'")
    whole = -(-network.prefixlen // bits_a_label) * bits_a_label
    unused = (network.max_prefixlen - whole) // bits_a_label
    names = [
        ".".join(each.network_address.reverse_pointer.split(".")[unused:]) for each in network.subnets(new_prefix=whole)
    ]
    return tuple(names), network.prefixlen


def _reverse_length(name: str) -> int:
    """The bits that a reverse zone's name stands for."""
    for suffix, bits_a_label in ((".in-addr.arpa", 8), (".ip6.arpa", 4)):
        if name.endswith(suffix):
            return bits_a_label * (name.removesuffix(suffix).count(".") + 1)
    return _LONGEST_PREFIX


def read_ipv4(text: str) -> str:
    """An IPv4 address."""
    try:
        return str(ipaddress.IPv4Address(text.strip()))
    except ValueError:
        raise RuleError(f"{shown(text)} is not an IPv4 address: write one as in '192.0.2.1'") from None


def read_ipv6(text: str) -> str:
    """An IPv6 address without an interface."""
    try:
        address = ipaddress.IPv6Address(text.strip())
    except ValueError:
        address = None
    if address is None or address.scope_id:
        raise RuleError(f"{shown(text)} is not an IPv6 address: write one as in '2001:db8::1'")
    return str(address)


def host_of(match: re.Match[str], text: str) -> str:
    """The address of what BARE or BRACKETED has matched in `text`. Raises RuleError."""
    try:
        address = ipaddress.ip_address(match["host"])
    except ValueError:
        raise RuleError(f"{shown(text)}: {shown(match['host'])} is not an IP address") from None
    if (address.version == 6) != match[0].startswith("["):
        raise RuleError(f"{shown(text)}: put IPv6 addresses, and only those, in brackets")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def port_of(match: re.Match[str], text: str) -> int:
    """Its port, which is there. Raises RuleError."""
    port = int(match["port"])
    if not 0 < port < 65536:
        raise RuleError(f"{shown(text)} has no such port: 1 to 65535")
    return port


def says_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its own word. Any other name may lead anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
