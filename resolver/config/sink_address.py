"""Addresses of log sinks as admins write them. No I/O; every error is a RuleError."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from resolver.config.addresses import BARE, BRACKETED, SCHEME, host_of, port_of, says_loopback
from resolver.config.subscription import read_url
from resolver.config.wording import shown
from resolver.errors import RuleError
from resolver.wire.names import parse_name, to_text

HTTP: Final = ("https", "http")
"""Transports of batches; all others are syslog."""

_SYSLOG: Final = "syslog+"
_UNIX: Final = f"{_SYSLOG}unix"
_PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}  # RFC 5426, RFC 6587, RFC 5425
_HTTP_PORTS: Final = {"https": 443, "http": 80}
_FORMS: Final = (
    "write 'syslog+tls://HOST', 'syslog+tcp://HOST', 'syslog+udp://HOST', each with :PORT if need be, "
    "'syslog+unix:/dev/log' or 'https://HOST/PATH'"
)


@dataclass(frozen=True, slots=True)
class SinkAddress:
    """Place that a sink sends to. `host` is a name or an address (IPv6 without brackets), or the path of a socket."""

    transport: str  # udp, tcp, tls or unix, which are syslog; https or http
    host: str
    port: int = 0
    url: str = ""  # of HTTP alone

    @property
    def is_http(self) -> bool:
        """Whether it takes batches by HTTP."""
        return self.transport in HTTP

    @property
    def shown(self) -> str:
        """The address without what may be secret in it: of many services the path or the query is what lets one in."""
        if self.transport == "unix":
            return f"{_UNIX}:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = self.transport if self.is_http else f"{_SYSLOG}{self.transport}"
        return f"{scheme}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it says itself that it is on this machine. A name may lead elsewhere than it says."""
        return says_loopback(self.host)


def parse_sink(text: str) -> SinkAddress:
    """The place that a text names. Raises RuleError."""
    written = text.strip()
    if written.startswith(f"{_UNIX}:/"):
        return SinkAddress("unix", "/" + written.removeprefix(f"{_UNIX}:").lstrip("/"))
    match = SCHEME.match(written)
    scheme = match["scheme"].lower() if match else ""
    transport = scheme.removeprefix(_SYSLOG)
    if scheme in HTTP:
        return _of_http(written)
    if match is None or scheme == transport or transport not in _PORTS:
        raise RuleError(f"{shown(text)} is not a log sink: {_FORMS}")
    host = BRACKETED.match(match["rest"]) or BARE.match(match["rest"])
    if host is None or "/" in host["host"]:
        raise RuleError(f"{shown(text)} is not a log sink: behind {scheme}:// stands a host, with its port if need be")
    port = port_of(host, text) if host["port"] is not None else _PORTS[transport]
    return SinkAddress(transport, _host(host["host"]) or host_of(host, text), port)


def _host(written: str) -> str | None:
    """A host name in its normal form; None for an address."""
    try:
        ipaddress.ip_address(written)
    except ValueError:
        if ":" in written or written.replace(".", "").isdigit():
            return None
        return to_text(parse_name(written))
    return None


def _of_http(written: str) -> SinkAddress:
    try:
        has_user = "@" in urlsplit(written).netloc
    except ValueError:
        has_user = False
    if has_user:
        raise RuleError("holds a user or a password: put the header into a file, and write authorization: file:PATH")
    url = read_url(written)
    parts = urlsplit(url)
    return SinkAddress(parts.scheme, parts.hostname or "", parts.port or _HTTP_PORTS[parts.scheme], url)


def read_sink(text: str) -> str:
    """The address of a sink, as it was written. Raises RuleError."""
    address = parse_sink(text)
    return address.url or text.strip()


def sink_of_syslog(text: str) -> str:
    """The sink that the short form `audit.syslog` means."""
    return f"{_SYSLOG}{text}"


def read_syslog(text: str) -> str:
    """A syslog server of the short form: ``udp://HOST[:PORT]``, ``tcp://``, ``tls://``, ``unix:PATH``.

    As it was written. Raises RuleError.
    """
    written = text.strip()
    try:
        parse_sink(sink_of_syslog(written))
    except RuleError:
        raise RuleError(
            f"{shown(text)} is not a syslog server: write 'udp://HOST:514', 'tcp://HOST:601', 'tls://HOST:6514' or "
            "'unix:/dev/log'"
        ) from None
    return written
