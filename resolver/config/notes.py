"""Notes for admins on a config that is good: sentences for the log, `check-config`, the API and the pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from resolver.config.addresses import parse_endpoint
from resolver.config.settings import MAC_OPTION
from resolver.policy.proved_names import is_mac_name, proved_by

if TYPE_CHECKING:
    from resolver.config.schema import Config

_HTTP = 80  # where browsers come
_CLOUDS = frozenset(("clouds", "gateways"))  # sets that they are in
_HITS = frozenset(("block", "monitor", "exempt"))  # verdicts that query_log.what: hits logs
_MOST_SHOWN = 3  # of a list that a note names


def config_notes(config: Config) -> Iterator[str]:
    """Finished sentences, each with its key first."""
    yield from _listen_notes(config)
    for group in config.policy.groups:
        for note in group_notes(group, datetime.now(UTC), takes_certificates=config.tls.clients.ca is not None):
            yield f"policy.groups: group {group.name!r}: {note}"
    yield from _old_meaning_notes(config)
    yield from block_page_notes(config)
    yield from client_notes(config)
    yield from sink_notes(config)
    for path, lines in config.local_names.left_out.items():
        yield (
            f"local_files: {lines} lines of {path} are left out, since loopback, multicast, broadcast and unspecified "
            "addresses are no hosts of your network; to block names, use a list"
        )


class Noted(Protocol):
    """Fields of a group, the config's or the store's, that notes are about."""

    @property
    def client_names(self) -> Sequence[str]:
        """Names of its clients, in their normal form."""

    @property
    def exempt(self) -> bool:
        """Whether its queries go through."""

    @property
    def mode(self) -> str:
        """Enforce or monitor."""

    @property
    def block(self) -> Sequence[str] | None:
        """References that are blocked; None: those of `default`."""

    @property
    def monitor(self) -> Sequence[str]:
        """References that are watched."""

    @property
    def monitor_until(self) -> datetime | None:
        """End of that."""


def leaves_clouds_open(groups: Iterable[Noted], now: datetime) -> bool:
    """Whether no group blocks or watches the model services of clouds, which no default does."""
    for group in groups:
        watched = group.monitor if group.monitor_until is None or group.monitor_until > now else ()
        if not _CLOUDS.isdisjoint((*(group.block or ()), *watched)):
            return False
    return True


def group_notes(group: Noted, now: datetime, *, takes_certificates: bool) -> Iterator[str]:
    """Of one group. `takes_certificates`: clients are asked for certificates, which prove names."""
    proved = [name for name in group.client_names if proved_by(name) is not None]
    if proved and not takes_certificates:
        more = f" and {len(proved) - _MOST_SHOWN} more" if len(proved) > _MOST_SHOWN else ""
        yield (
            f"client_names: nobody can prove {', '.join(proved[:_MOST_SHOWN])}{more}, since clients are asked for no "
            "certificate: set tls.clients.ca"
        )
    end = group.monitor_until
    if end is not None and not group.monitor:
        yield "monitor_until: has no effect, since monitor names nothing: remove it"
    elif end is not None and end <= now:
        yield (
            f"monitor: {', '.join(group.monitor[:_MOST_SHOWN])} is no longer watched, since monitor_until is past: put "
            "it into block, set a later end, or remove both"
        )
    if group.exempt and group.mode == "monitor":
        yield (
            "exempt: true goes before mode: monitor: its queries go through and are counted as exempted, not as "
            "monitored, and ways round the resolver ('bypass') stay blocked; leave one of the two out"
        )


def _old_meaning_notes(config: Config) -> Iterator[str]:
    """A group that allows `ai` may have been written when resellers were not in it; the store's are migrated."""
    allowing = [group.name for group in config.policy.groups if "ai" in group.allow]
    if allowing:
        more = f" and {len(allowing) - _MOST_SHOWN} more" if len(allowing) > _MOST_SHOWN else ""
        names = ", ".join(map(repr, allowing[:_MOST_SHOWN])) + more
        yield (
            f"policy.groups: allow: 'ai' of {names} includes resellers of models now (OpenRouter, Poe), unlike in "
            "earlier versions: write 'vendors' for what it meant then, or 'vendors' and 'resellers' if both are meant"
        )


def _listen_notes(config: Config) -> Iterator[str]:
    """A wildcard of IPv6 has no IPv4 here, as it has with programs that leave IPV6_V6ONLY off."""
    listen, admin = config.listen, config.admin.listen
    sections = [
        ("listen.do53", listen.do53),
        ("listen.dot", listen.dot),
        ("listen.doh", listen.doh),
        ("admin.listen", (admin,) if admin else ()),
        ("block_page.listen", config.block_page.listen),
    ]
    for key, texts in sections:
        bound = [parse_endpoint(text) for text in texts]
        for host, port in bound:
            address = ipaddress.ip_address(host.partition("%")[0])
            if address.version == 4 or not address.is_unspecified:
                continue
            if not any(":" not in other for other, of_other in bound if of_other == port):
                so = f"use 0.0.0.0:{port} to have IPv4" if key == "admin.listen" else f"add 0.0.0.0:{port} for IPv4"
                yield f"{key}: [::]:{port} is IPv6 only: {so}"


def block_page_notes(config: Config) -> Iterator[str]:
    """Notes on how the block page and the policy's answers fit together."""
    policy, page = config.policy, config.block_page
    answers = [("policy.response", policy.response)]
    answers += [(f"the response of group {one.name!r}", one.response) for one in policy.groups if one.response]
    leading = [(where, one) for where, one in answers if one.mode == "address"]
    if not page.listen:
        if leading:
            yield (
                f"{leading[0][0]} leads to an address, and no block page is served here: set block_page.listen unless "
                "another server shows one there"
            )
        return
    served = [parse_endpoint(text) for text in page.listen]
    hosts = [ipaddress.ip_address(host.partition("%")[0]) for host, _ in served]
    if not leading:
        yield (
            "block_page.listen is set, but nothing in this file leads to it: set policy.response to {mode: address, "
            "ipv4: …}, or a group's response"
        )
    for where, one in leading:
        for text in filter(None, (one.ipv4, one.ipv6)):
            address = ipaddress.ip_address(text)
            if not any(host == address or (host.is_unspecified and host.version == address.version) for host in hosts):
                yield f"{where} leads to {text}, where block_page.listen has no address: is it this host's by NAT?"
    if all(port != _HTTP for _, port in served):
        yield f"block_page.listen has no port {_HTTP}, where browsers come: let something lead from there to it"
    if page.request_form and config.admin.listen is None and config.store.url is None:
        yield (
            "block_page.request_form takes requests that nobody can approve, since admin.listen is null: set it, or "
            "request_form: false"
        )
    if page.request_form and policy.approval == "four-eyes":
        yield (
            "policy.approval is four-eyes, and a request by the block page counts as one of the two only once an owner "
            "has taken it up, since nobody knows who it is from: two owners look at each"
        )


def client_notes(config: Config) -> Iterator[str]:
    """Of proxies, which ask for others, and of names of machines that nobody can be asked for."""
    if config.clients.host_names.ptr and not any(f".{zone}".endswith(".arpa") for zone in config.upstream.zones):
        yield (
            "clients.host_names.ptr has no effect: upstream.zones has no reverse zone, and no other server is asked. "
            "Name one by its network, as in upstream.zones: {10.0.0.0/8: [10.0.0.53]}"
        )
    plain = [one.network for one in config.clients.trusted_proxies if not one.is_told]
    if plain:
        more = ", …" if len(plain) > _MOST_SHOWN else ""
        yield (
            f"clients.trusted_proxies: of {', '.join(plain[:_MOST_SHOWN])}{more} it is not said by what each is "
            "believed: by a PROXY header and by X-Forwarded-For then, not by the EDNS client subnet, and what says "
            f'nothing is refused. Write {{network: "{plain[0]}", sources: [proxy]}}, with those of proxy, '
            "proxy-within-tls, x-forwarded-for and client-subnet that it sends itself"
        )
    yield from _mac_notes(config)


def _mac_notes(config: Config) -> Iterator[str]:
    """Of names of machines that no proxy gives."""
    named = [name for group in config.policy.groups for name in group.client_names if is_mac_name(name)]
    if named and not any(MAC_OPTION in one.sources for one in config.clients.trusted_proxies):
        more = f" and {len(named) - _MOST_SHOWN} more" if len(named) > _MOST_SHOWN else ""
        yield (
            f"client_names: nobody says that a query is from {', '.join(named[:_MOST_SHOWN])}{more}: give a proxy of "
            "clients.trusted_proxies the source mac"
        )


def sink_notes(config: Config) -> Iterator[str]:
    """Notes on log sinks whose filter asks for what is not logged."""
    for index, sink in enumerate(config.log_sinks):
        others = [verdict for verdict in sink.filter.verdict if verdict not in _HITS]
        if others and config.query_log.what == "hits":
            yield (
                f"log_sinks[{index}].filter.verdict: {', '.join(others)}: such queries are not in the query log, since "
                "query_log.what is hits: set all"
            )
