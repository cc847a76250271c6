"""The sections about clients: who is answered, where, by what transports, and what they get beside answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.control_schema import CertificateSection
from resolver.config.cookies import read_secrets
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.settings import RateLimits
from resolver.config.wording import shown
from resolver.errors import RuleError

_RATES = RateLimits()
_FILE = "file:"
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
        raise RuleError(f"should be text of 1 to {_LONGEST} octets, is of {octets}; null tells nothing")
    return text


def _read_server_name(text: str) -> str:
    name = fields.read_host_name(text)
    if "." not in name or name[-1].isdigit() or ":" in name:
        raise RuleError(f"{shown(text)} is not the name of a host: write it whole, as in 'dns.corp.example'")
    return name


_Told = Annotated[str, fields.reading(_read_told)]


class RateLimitsSection(Section):
    """What clients get beyond `clients.queries_per_second`, and how often a network is answered alike."""

    action: Annotated[Literal["refuse", "truncate"], fields.one_of("refuse", "truncate")] = Field(
        default="refuse",
        description=(
            "What a client gets beyond clients.queries_per_second. 'refuse': REFUSED; 'truncate': TC over UDP, so that "
            "real clients come by TCP, and BADCOOKIE where a client sends a cookie that is not ours yet."
        ),
    )
    exempt: fields.ClientSets = Field(
        default=(),
        description="Networks without any rate limit, as are clients.trusted_proxies. Sets as in clients.allow.",
    )
    responses_per_second: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = Field(
        default=0,
        description=(
            "Responses of one kind (same question; NXDOMAIN; errors) that a client network (/24, /56) gets over UDP in "
            "a second from a worker; 0 is no limit. Clients with a valid server cookie have none."
        ),
    )
    slip: Annotated[int, Field(ge=0, le=100), NUMBER] = Field(
        default=2,
        description="Of responses beyond that, each so-many-th is sent truncated, the others not at all; 0: none.",
    )


class ListenSection(Section):
    """Where queries are taken."""

    do53: fields.Endpoints = Field(
        default=("127.0.0.1:5300", "[::1]:5300"),
        description="Addresses with ports for DNS over UDP and TCP; IPv6 in brackets, '0.0.0.0' and '[::]' are all.",
    )
    dot: fields.OptionalEndpoints = Field(
        default=(), description="Addresses with ports for DNS over TLS (RFC 7858), as in ['0.0.0.0:853']; needs `tls`."
    )
    doh: fields.OptionalEndpoints = Field(
        default=(),
        description="As `dot`, for DNS over HTTPS (RFC 8484): HTTP/2 and HTTP/1.1, path /dns-query; needs `tls`.",
    )

    @model_validator(mode="after")
    def _each_has_its_own(self) -> ListenSection:
        streams = [(key, index, one) for key in ("do53", "dot", "doh") for index, one in enumerate(getattr(self, key))]
        seen: dict[str, str] = {}
        for key, index, one in streams:
            if seen.setdefault(one, key) != key:
                why = f"{one} is in listen.{seen[one]} too: give each a port of its own"
                fields.raise_mistakes([fields.mistake(why, one, key, index)])
        return self


class TlsSection(CertificateSection):
    """What DoT and DoH are served with."""

    server_name: Annotated[str, fields.reading(_read_server_name)] | None = Field(
        default=None,
        description=(
            "The host name that the certificate is for: told to clients that discover DoT and DoH (DDR), and the end "
            "of the names that clients may call themselves."
        ),
    )
    workers: Annotated[int, Field(ge=1, le=64), NUMBER] = Field(
        default=1, description="Processes that serve DoT and DoH, beside those that serve plain DNS."
    )


class CookiesSection(Section):
    """Server cookies (RFC 7873, RFC 9018)."""

    enabled: Switch = Field(default=True, description="Answer clients' cookies.")
    secret: Annotated[str, fields.reading(_read_cookie_secret)] | None = Field(
        default=None,
        description=(
            "32 hex digits, or 'file:PATH'; the same for all servers behind one address. A file's second line, if any, "
            "is the secret before. null: made at the first start, in state_dir."
        ),
    )


class ServerSection(Section):
    """What the server tells of itself when asked; REFUSED unless set."""

    identity: _Told | None = Field(
        default=None, description="The answer to id.server and hostname.bind (class CH, type TXT), and to NSID."
    )
    version: _Told | None = Field(default=None, description="The answer to version.server and version.bind.")


class ClientsSection(Section):
    """Who is answered."""

    allow: fields.ClientSets = Field(
        default=("loopback", "private"),
        description=(
            "Networks whose queries are answered; all others get REFUSED. Named sets: 'loopback', and 'private' "
            "(RFC 1918, 100.64.0.0/10, fc00::/7 and link-local)."
        ),
    )
    trusted_proxies: fields.ClientSets = Field(
        default=(),
        description=(
            "Networks of forwarders and load balancers that ask for others, and are believed when they say for whom: "
            "by a PROXY header (version 2) or an EDNS client subnet of full length. List only those that put it there "
            "themselves. Sets as in `allow`."
        ),
    )
    queries_per_second: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = Field(
        default=_RATES.queries_per_second,
        description=(
            "Queries that a client address may ask a worker in a second, over all transports; 0 is no limit. What "
            "happens beyond it, `rate_limits` says."
        ),
    )
