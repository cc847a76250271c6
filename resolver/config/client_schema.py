"""The sections about clients: who is answered, where, by what transports, and what they get beside answers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from resolver.config import addresses, fields
from resolver.config.control_schema import CertificateSection
from resolver.config.cookies import read_secrets
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.settings import PLAIN_SOURCES, ClientNetworks, HostNamesSettings, RateLimits
from resolver.config.wording import either, nearest, shown
from resolver.errors import RuleError

_RATES = RateLimits()
_NETWORKS = ClientNetworks()
_HOST_NAMES = HostNamesSettings()
_FILE = "file:"
ProxySource = Literal["proxy", "proxy-within-tls", "x-forwarded-for", "client-subnet", "mac"]
_SOURCES: Final = get_args(ProxySource)
_LONGEST = 255  # octets of a character-string (RFC 1035 section 3.3.14)


def _read_cookie_secret(text: str) -> str:
    """Secrets of server cookies, or ``file:PATH`` where that file holds them. No error shows them."""
    written = text.strip()
    content = fields.secret(written)
    try:
        read_secrets(content)
    except ValueError as error:
        where = f"{shown(written.removeprefix(_FILE))} " if written.startswith(_FILE) else ""
        raise RuleError(f"{where}{error}; make one with 'openssl rand -hex 16'") from None
    return written


def _read_told(text: str) -> str:
    octets = len(text.encode())
    if not 1 <= octets <= _LONGEST:
        raise RuleError(f"should be text of 1 to {_LONGEST} octets, has {octets}; null returns nothing")
    return text


def _read_server_name(text: str) -> str:
    name = fields.read_host_name(text)
    if "." not in name or name[-1].isdigit() or ":" in name:
        raise RuleError(f"{shown(text)} is not a host name: write it in full, as in 'dns.corp.example'")
    return name


_Told = Annotated[str, fields.reading(_read_told)]


def _read_sources(value: object) -> object:
    """Each source once, whatever its letter case."""
    if not isinstance(value, list | tuple):
        return value
    known: dict[str, None] = {}
    mistakes = []
    for index, entry in enumerate(value):
        text = entry.strip().lower() if isinstance(entry, str) else ""
        if text in _SOURCES:
            known[text] = None
            continue
        meant = nearest(text, _SOURCES)
        hint = f": did you mean {meant!r}?" if meant else ""
        mistakes.append(fields.mistake(f"should be {either(_SOURCES)}, is {shown(entry)}{hint}", entry, index))
    fields.raise_mistakes(mistakes)
    return tuple(known)


class RateLimitsSection(Section):
    """Limits beyond `clients.queries_per_second`, and how often a network is answered alike."""

    action: Annotated[Literal["refuse", "truncate"], fields.one_of("refuse", "truncate")] = "refuse"
    """The answer to a client beyond clients.queries_per_second. 'refuse': REFUSED; 'truncate': TC over UDP, so that
    real clients come by TCP, and BADCOOKIE where a client sends a cookie that is not ours yet."""
    exempt: fields.ClientSets = ()
    """Networks without any rate limit, as are clients.trusted_proxies. Sets as in clients.allow."""
    responses_per_second: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = 0
    """Responses of one kind (same question; NXDOMAIN; errors) that a client network (/24, /56) gets over UDP in a
    second from a worker; 0 is no limit. Clients with a valid server cookie have none."""
    slip: Annotated[int, Field(ge=0, le=100), NUMBER] = 2
    """Of responses beyond that, each so-many-th is sent truncated, the others not at all; 0: none."""


class ListenSection(Section):
    """Addresses that the server listens on."""

    do53: fields.Endpoints = ("127.0.0.1:5300", "[::1]:5300")
    """Addresses with ports for DNS over UDP and TCP; IPv6 in brackets, '0.0.0.0' and '[::]' are all."""
    dot: fields.OptionalEndpoints = ()
    """Addresses with ports for DNS over TLS (RFC 7858), as in ['0.0.0.0:853']; needs `tls`."""
    doh: fields.OptionalEndpoints = ()
    """As `dot`, for DNS over HTTPS (RFC 8484): HTTP/2 and HTTP/1.1, path /dns-query; needs `tls`."""

    @model_validator(mode="after")
    def _each_has_its_own(self) -> ListenSection:
        streams = [(key, index, one) for key in ("do53", "dot", "doh") for index, one in enumerate(getattr(self, key))]
        seen: dict[str, str] = {}
        for key, index, one in streams:
            if seen.setdefault(one, key) != key:
                why = f"{one} is in listen.{seen[one]} too: give each a separate port"
                fields.raise_mistakes([fields.mistake(why, one, key, index)])
        return self


class ClientCertificatesSection(Section):
    """Certificates by which clients of DoT and DoH prove who they are."""

    ca: fields.File | None = None
    """PEM file with the CAs that sign clients' certificates; read again at SIGHUP. null: none is asked for."""
    crl: fields.File | None = None
    """File with these CAs' revocation lists: PEM, or one as DER; read again at SIGHUP. null: nothing is revoked."""
    required: Switch = False
    """Refuse clients without a certificate; false: they are served as they would be without `ca`."""

    @model_validator(mode="after")
    def _need_ca(self) -> ClientCertificatesSection:
        if self.ca is None:
            why = "has no effect without tls.clients.ca: name the CAs that sign clients' certificates"
            said = [key for key in ("crl", "required") if getattr(self, key)]
            fields.raise_mistakes([fields.mistake(why, getattr(self, key), key) for key in said])
        return self


class TlsSection(CertificateSection):
    """The certificate of DoT and DoH, and their workers."""

    server_name: Annotated[str, fields.reading(_read_server_name)] | None = None
    """The host name that the certificate is for: told to clients that discover DoT and DoH (DDR), and the end of the
    names that clients may call themselves."""
    workers: Annotated[int, Field(ge=1, le=64), NUMBER] = 1
    """Processes that serve DoT and DoH, in addition to those of plain DNS."""
    clients: ClientCertificatesSection = ClientCertificatesSection()


class CookiesSection(Section):
    """Server cookies (RFC 7873, RFC 9018)."""

    enabled: Switch = True
    """Answer clients' cookies."""
    secret: Annotated[str, fields.reading(_read_cookie_secret)] | None = None
    """32 hex digits, or 'file:PATH'; the same for all servers behind one address. A file's second line, if any, is the
    secret before. null: made at the first start, in state_dir."""


class ServerSection(Section):
    """Identity and version that the server reveals; REFUSED unless set."""

    identity: _Told | None = None
    """The answer to id.server and hostname.bind (class CH, type TXT), and to NSID."""
    version: _Told | None = None
    """The answer to version.server and version.bind."""


class ProxySection(Section):
    """Proxies that send queries for others."""

    network: Annotated[str, fields.reading(addresses.read_client_set)]
    """Their network, or the address of one; sets as in `allow`. The most specific network counts."""
    sources: Annotated[tuple[ProxySource, ...], BeforeValidator(_read_sources)] = PLAIN_SOURCES
    """By what they are believed when they say for whom they ask. 'proxy': a PROXY header (version 2), before TLS;
    'proxy-within-tls': one within TLS that is the proxy's own; 'x-forwarded-for': that header of a request by HTTP;
    'client-subnet': an EDNS client subnet of full length; 'mac': the machine's MAC address in EDNS, as dnsmasq's
    add-mac writes it, for groups that have it in client_names. A query without any is refused. []: they ask for
    themselves."""

    @property
    def is_told(self) -> bool:
        """Whether the config says by what."""
        return "sources" in self.model_fields_set


def _read_proxies(value: object) -> object:
    """A network that is plain text is believed by what has always been meant by that, but the client subnet."""
    if not isinstance(value, list | tuple):
        return value
    read: list[object] = []
    mistakes = []
    for index, entry in enumerate(value):
        if isinstance(entry, str):
            try:
                read.append({"network": addresses.read_client_set(entry)})
            except RuleError as error:
                mistakes.append(fields.mistake(str(error), entry, index))
        elif isinstance(entry, dict | ProxySection):
            read.append(entry)
        else:
            why = f"should be a network, or {{network: …, sources: […]}}, is {shown(entry)}"
            mistakes.append(fields.mistake(why, entry, index))
    fields.raise_mistakes(mistakes)
    return read


def _each_network_once(proxies: tuple[ProxySection, ...]) -> tuple[ProxySection, ...]:
    kept: dict[str, tuple[int, ProxySection]] = {}
    mistakes = []
    for index, one in enumerate(proxies):
        for network in addresses.NAMED_CLIENTS.get(one.network, (one.network,)):
            first, other = kept.setdefault(network, (index, one))
            if set(other.sources) != set(one.sources):
                why = f"{network} is in entry [{first}] with other sources: name all of them in one entry"
                mistakes.append(fields.mistake(why, one.network, index))
    fields.raise_mistakes(mistakes)
    return tuple({one.network: one for one in proxies}.values())


class HostNamesSection(Section):
    """Names of the machines at clients' addresses, shown beside these to whoever may see persons. They decide nothing,
    and are not recorded."""

    hosts: Annotated[tuple[fields.File, ...], Field(max_length=20)] = ()
    """Hosts files (hosts(5)), read again when they change. A relative path begins at the config file's folder."""
    dhcp_leases: Annotated[tuple[fields.File, ...], Field(max_length=20)] = ()
    """Lease files of dnsmasq, ISC dhcpd or Kea (memfile), read again when they change."""
    ptr: Switch = False
    """Ask reverse zones of `upstream.zones` for names; no other server is asked."""
    most: Annotated[int, Field(ge=1, le=1_000_000), NUMBER] = _HOST_NAMES.most
    """Names of all files together that are kept in memory, and as many of reverse zones."""
    max_mib: Annotated[int, Field(ge=1, le=256), NUMBER] = _HOST_NAMES.max_mib
    """Size limit of one file, in MiB; a larger one is not read."""


def _admit_text(schema: dict[str, Any]) -> None:
    schema["items"] = {"anyOf": [{"type": "string"}, schema["items"]]}


class ClientsSection(Section):
    """Clients that are answered."""

    allow: fields.ClientSets = ("loopback", "private")
    """Networks whose queries are answered; all others get REFUSED. Named sets: 'loopback', and 'private' (RFC 1918,
    100.64.0.0/10, fc00::/7 and link-local)."""
    trusted_proxies: Annotated[
        tuple[ProxySection, ...], BeforeValidator(_read_proxies), AfterValidator(_each_network_once)
    ] = Field(default=(), json_schema_extra=_admit_text)
    """Forwarders and load balancers that ask for others, and by what they are believed when they say for whom, as in
    [{network: 10.0.0.9, sources: [proxy]}]. List only those that put it there themselves: what does not say it is
    refused. A plain network means the sources proxy and x-forwarded-for."""
    queries_per_second: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = _RATES.queries_per_second
    """Queries per second that a worker accepts from a client address, over all transports; 0 is no limit. What happens
    beyond it, `rate_limits` says."""
    ipv6_prefix: Annotated[int, Field(ge=16, le=128), NUMBER] = _NETWORKS.ipv6_prefix
    """Bits of an IPv6 address that make its network: a host has as many addresses as it likes in its own, so each bound
    for a client address stands for its network too, wider by `ipv6_prefix_factor`."""
    ipv6_prefix_factor: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _NETWORKS.ipv6_prefix_factor
    """The bound of an IPv6 network, which may be a whole LAN, in those of one address; of what there is for all clients
    together, at most half."""
    host_names: HostNamesSection = HostNamesSection()
