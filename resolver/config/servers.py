"""Upstream servers as admins write them. No I/O; every error is a RuleError."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from resolver.config.addresses import BARE, BRACKETED, SCHEME, host_of, port_of
from resolver.config.settings import UpstreamServer
from resolver.config.wording import shown
from resolver.errors import RuleError
from resolver.wire.names import parse_name, to_text

SYSTEM: Final = "system"
"""The upstream that stands for the nameservers of the system's resolv.conf."""

_PORTS = {"udp": 53, "tcp": 53, "tls": 853, "https": 443}
_ENCRYPTED = ("tls", "https")
_PATH = re.compile(r"/[!-~]*\Z")
_TEMPLATE = "{?dns}"  # the end of a URI template (RFC 8484 section 4.1): for GET alone, and we send POST
_USUAL_PATH = "/dns-query"
_LONGEST_PATH = 1000
_FORMS = (
    "write 'system', 'udp://IP', 'udp://IP:PORT', 'tcp://IP' or 'tcp://IP:PORT', 'tls://IP#NAME', 'tls://NAME' or "
    "'https://NAME/dns-query', IPv6 in brackets"
)


def parse_server(text: str) -> UpstreamServer:
    """An upstream of ``udp://IP[:PORT]``, ``tcp://``, ``tls://HOST[:PORT][#NAME]``, ``https://HOST[:PORT]/PATH[#NAME]``.

    A bare ``IP`` or ``IP:PORT`` is asked over UDP. HOST is a name or an address; NAME, behind an address, is what the
    certificate must be for.
    """
    written = text.strip()
    scheme = SCHEME.match(written)
    transport, rest = (scheme["scheme"].lower(), scheme["rest"]) if scheme else ("udp", written)
    if transport not in _PORTS:
        raise RuleError(f"{shown(text)} has the scheme {shown(transport)}: {_FORMS}")
    is_encrypted = transport in _ENCRYPTED
    rest, has_name, name = rest.partition("#") if is_encrypted else (rest, "", "")
    rest, path = _split_path(rest, text) if transport == "https" else (rest, "")
    if not scheme and rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"
    match = BRACKETED.match(rest) or BARE.match(rest)
    if match is None:
        raise RuleError(f"{shown(text)} is not an upstream: {_FORMS}")
    port = port_of(match, text) if match["port"] else _PORTS[transport]
    if is_encrypted and not _is_address(match["host"]):
        if has_name:
            raise RuleError(f"{shown(text)}: '#NAME' follows an address; here the name is given already")
        host = _name(match["host"], text)
        return UpstreamServer(transport, host, port, host, path)
    try:
        host = host_of(match, text)
    except RuleError as error:
        raise RuleError(f"{error}; {_FORMS}") from None
    address = ipaddress.ip_address(host)
    if address.is_unspecified or address.is_multicast or host == "255.255.255.255":
        raise RuleError(f"{shown(text)} is not the address of one server")
    if isinstance(address, ipaddress.IPv6Address) and address.is_link_local and not address.scope_id:
        raise RuleError(f"{shown(text)} is link-local: name its interface, as in '[fe80::1%eth0]'")
    if not is_encrypted:
        return UpstreamServer(transport, host, port)
    return UpstreamServer(transport, host, port, _name(name, text) if has_name else host.partition("%")[0], path)


def _split_path(rest: str, text: str) -> tuple[str, str]:
    authority, slash, path = rest.partition("/")
    path = (slash + path).removesuffix(_TEMPLATE) if slash else _USUAL_PATH
    if not _PATH.match(path) or len(path) > _LONGEST_PATH:
        raise RuleError(f"{shown(text)}: a path has printable ASCII without spaces, such as '{_USUAL_PATH}'")
    return authority.removesuffix(_TEMPLATE), path


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _name(name: str, text: str) -> str:
    """The name that a certificate must be for. One of digits alone is a mistyped address."""
    last = name.rstrip(".").rpartition(".")[2]
    if not last or last.isdigit():
        raise RuleError(f"{shown(text)}: {shown(name)} is neither an IP address nor a host name; {_FORMS}")
    try:
        return to_text(parse_name(name))
    except RuleError as error:
        raise RuleError(f"{shown(text)}: {error}") from None


def read_server(text: str) -> str:
    """An entry of ``upstream.servers`` in its one normal form: ``system`` or ``udp://[2001:db8::1]:53``."""
    return SYSTEM if text.strip() == SYSTEM else parse_server(text).name


def read_bootstrap(text: str) -> str:
    """An entry of ``upstream.bootstrap``, in its one normal form: a server with an address."""
    if text.strip() == SYSTEM:
        return SYSTEM
    server = parse_server(text)
    if not server.has_address:
        raise RuleError(f"{shown(text)}: a bootstrap server must be an address, as in 'udp://192.0.2.1'")
    return server.name
