"""Settings of the other processes, made from the configuration: plain data, with every name resolved."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from resolver.config.addresses import NAMED_CLIENTS, parse_endpoint
from resolver.config.catalogue_schema import CatalogueSection
from resolver.config.client_schema import HostNamesSection
from resolver.config.log_sink_schema import LogSinkSection
from resolver.config.mail_schema import parse_mail_server
from resolver.config.schema import Config
from resolver.config.servers import SYSTEM, parse_server
from resolver.config.settings import (
    COUNTERS,
    BlockPageSettings,
    CacheSettings,
    ClientCertificates,
    ClientNetworks,
    ControlSettings,
    EncryptedSettings,
    FeedSettings,
    HostNamesSettings,
    Identity,
    Limits,
    LogSinkSettings,
    MailSettings,
    OidcSettings,
    RateLimits,
    Retention,
    TelemetrySettings,
    TrustedProxy,
    UnlistedSettings,
    UpstreamOptions,
    UpstreamServer,
    WorkerSettings,
    Zone,
)
from resolver.config.sink_address import sink_of_syslog
from resolver.config.system_servers import PLACE


def worker_settings(config: Config, *, workers: int, system_servers: Sequence[UpstreamServer]) -> WorkerSettings:
    """The settings of each of `workers` workers; `system_servers` stand in for ``system``.

    `upstream_servers` is empty when only ``system`` is configured and the system names none.
    """

    def resolved(texts: Sequence[str]) -> tuple[UpstreamServer, ...]:
        servers: list[UpstreamServer] = []
        for text in texts:
            servers += system_servers if text == SYSTEM else [parse_server(text)]
        return tuple(dict.fromkeys(servers))

    def networks(entries: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(network for entry in entries for network in NAMED_CLIENTS.get(entry, (entry,))))

    cache = config.cache
    upstream_servers = resolved(config.upstream.servers)
    zones = tuple(Zone(name, resolved(servers)) for name, servers in config.upstream.zones.items())
    every = (*upstream_servers, *(server for zone in zones for server in zone.servers))
    bootstrap = resolved(config.upstream.bootstrap) or _plain(upstream_servers) or tuple(system_servers)
    ca_file = config.upstream.ca_file
    return WorkerSettings(
        clients_allow=networks(config.clients.allow),
        trusted_proxies=tuple(
            TrustedProxy(network, one.sources)
            for one in config.clients.trusted_proxies
            for network in networks((one.network,))
        ),
        upstream_servers=upstream_servers,
        zones=zones,
        upstream_timeout_seconds=config.upstream.timeout_seconds,
        upstream=UpstreamOptions(
            strategy=config.upstream.strategy,
            bootstrap=() if all(server.has_address for server in every) else bootstrap,
            ca_file=str(config.folder / ca_file) if ca_file else None,
            cookies=config.upstream.cookies,
            random_case=config.upstream.random_case,
        ),
        rebinding_guard=config.upstream.rebinding_guard,
        private_names=config.upstream.private_names,
        local=config.local_names.records,
        local_ttl_seconds=config.local_ttl_seconds,
        cache=CacheSettings(
            max_bytes=(cache.max_mib << 20) // workers,
            **cache.model_dump(exclude={"max_mib"}),
        ),
        limits=Limits(**config.limits.model_dump()),
        rates=RateLimits(
            queries_per_second=config.clients.queries_per_second,
            exempt=networks(config.rate_limits.exempt),
            **config.rate_limits.model_dump(exclude={"exempt"}),
        ),
        networks=_networks(config),
        server=Identity(**config.server.model_dump()),
        encrypted=_encrypted(config),
        telemetry=TelemetrySettings(
            statistics=config.statistics.enabled,
            counters_folder=str(config.state_dir / COUNTERS),
            query_log=config.query_log.what if config.query_log.enabled else "off",
            clients=config.query_log.clients,
            identities=config.query_log.identities_recorded,
            pseudonym_days=config.query_log.pseudonym_days,
            unlisted=config.unlisted.enabled,
        ),
    )


def _networks(config: Config) -> ClientNetworks:
    return ClientNetworks(config.clients.ipv6_prefix, config.clients.ipv6_prefix_factor)


def _plain(servers: Sequence[UpstreamServer]) -> tuple[UpstreamServer, ...]:
    return tuple(server for server in servers if server.transport in ("udp", "tcp") or server == PLACE)


def encrypted_settings(server_name: str | None, dot: Sequence[str], doh: Sequence[str]) -> EncryptedSettings:
    """The settings of DoT and DoH, with the endpoints of `listen.dot` and `listen.doh` that clients are told of.

    No address is told unless each port is served on just the same ones, all of them named one by one.
    """
    by_port: dict[tuple[str, int], set[str]] = {}
    for kind, endpoints in (("dot", dot), ("doh", doh)):
        for host, port in map(parse_endpoint, endpoints):
            by_port.setdefault((kind, port), set()).add(host)
    hosts = list(by_port.values())
    told = hosts[0] if hosts and all(of_port == hosts[0] for of_port in hosts) else set()
    if any("%" in host or ipaddress.ip_address(host).is_unspecified for host in told):
        told = set()  # all addresses are none in particular, and a link-local one is no use without its link
    return EncryptedSettings(
        server_name=server_name,
        dot_ports=tuple(port for kind, port in by_port if kind == "dot"),
        doh_ports=tuple(port for kind, port in by_port if kind == "doh"),
        addresses=tuple(sorted(told)),
    )


def _encrypted(config: Config) -> EncryptedSettings:
    tls = config.tls
    if not (config.listen.dot or config.listen.doh) or tls.certificate is None or tls.private_key is None:
        return EncryptedSettings()
    folder = config.folder
    return dataclasses.replace(
        encrypted_settings(tls.server_name, config.listen.dot, config.listen.doh),
        certificate=str(folder / tls.certificate),
        private_key=str(folder / tls.private_key),
        clients=ClientCertificates(
            ca=str(folder / tls.clients.ca) if tls.clients.ca else "",
            crl=str(folder / tls.clients.crl) if tls.clients.crl else "",
            required=tls.clients.required,
        ),
    )


_OF_POLICY = {
    "approval",
    "look_approval",
    "longest_exemption_seconds",
    "longest_pause_seconds",
    "longest_emergency_pause_seconds",
    "most_change_requests",
    "change_request_seconds",
}


def has_login_links(config: Config) -> bool:
    """Tell if links may sign in to the web pages. OpenID says no: who signs in is who the provider says."""
    return config.admin.login_links and config.login.oidc.issuer is None


def control_settings(config: Config) -> ControlSettings:
    """The settings of the control process."""
    folder = config.folder
    host, port = parse_endpoint(config.admin.listen) if config.admin.listen else (None, 0)
    tls = config.admin.tls
    return ControlSettings(
        state_dir=str(config.state_dir),
        store_url=config.store.url,
        admin_host=host,
        admin_port=port,
        allowed_hosts=config.admin.allowed_hosts,
        login_links=has_login_links(config),
        metrics=config.admin.metrics,
        certificate=str(folder / tls.certificate) if tls.certificate else None,
        private_key=str(folder / tls.private_key) if tls.private_key else None,
        **config.admin.model_dump(include={"plans_at_once", "plan_seconds", "most_local_names"}),
        statistics=config.statistics.enabled,
        most_identity_keys=config.statistics.most_identity_keys,
        query_log=config.query_log.enabled,
        **config.query_log.model_dump(include={"max_mib", "most_erasures", "clients", "pseudonyms_found_by"}),
        identities=config.query_log.identities_recorded,
        feed=_feed(config.policy.catalogue),
        fetch_max_mib=config.subscriptions.max_mib,
        fetch_timeout_seconds=config.subscriptions.timeout_seconds,
        **config.policy.model_dump(include=_OF_POLICY),
        most_leases=config.leases.most,
        longest_lease_seconds=config.leases.longest_seconds,
        retention=Retention(**config.kept.model_dump()),
        legal_holds=config.people.legal_holds,
        log_sinks=sink_settings(config),
        **config.audit.model_dump(include={"signing_key", "look_seconds"}),
        webhooks=tuple(hook.model_dump(mode="json") for hook in config.webhooks),
        mail=_mail(config),
        oidc=_oidc(config),
        block_page=BlockPageSettings(**config.block_page.model_dump()),
        unlisted=UnlistedSettings(
            **config.unlisted.model_dump(), local=(*config.upstream.zones, *config.upstream.private_names)
        ),
        networks=_networks(config),
        host_names=_host_names(config.clients.host_names, folder),
    )


def _host_names(names: HostNamesSection, folder: Path) -> HostNamesSettings:
    return HostNamesSettings(
        hosts=tuple(str(folder / path) for path in names.hosts),
        dhcp_leases=tuple(str(folder / path) for path in names.dhcp_leases),
        **names.model_dump(include={"ptr", "most", "max_mib"}),
    )


def _feed(catalogue: CatalogueSection) -> FeedSettings | None:
    if catalogue.feed is None:
        return None
    shared = catalogue.model_dump(include={"keys", "refresh_seconds", "max_mib", "allow_private"})
    return FeedSettings(catalogue.feed, is_reviewed=catalogue.mode == "review", **shared)


def sink_settings(config: Config) -> tuple[LogSinkSettings, ...]:
    """The settings of all log sinks, the short form `audit.syslog` among them, the last."""
    sinks = [_sink(sink, config.folder) for sink in config.log_sinks]
    if config.audit.syslog is not None:
        sinks.append(
            LogSinkSettings(sink_of_syslog(config.audit.syslog), what=("audit",), format="plain", is_short=True)
        )
    return tuple(sinks)


def _sink(sink: LogSinkSection, folder: Path) -> LogSinkSettings:
    tls = sink.tls
    return LogSinkSettings(
        verdicts=sink.filter.verdict,
        groups=sink.filter.group,
        services=sink.filter.service,
        lists=sink.filter.list,
        ca=str(folder / tls.ca) if tls.ca else None,
        certificate=str(folder / tls.certificate) if tls.certificate else None,
        private_key=str(folder / tls.private_key) if tls.private_key else None,
        server_name=tls.server_name,
        **sink.model_dump(exclude={"filter", "tls"}),
    )


def _mail(config: Config) -> MailSettings | None:
    mail = config.mail
    if mail.server is None or mail.sender is None:
        return None
    server = parse_mail_server(mail.server)
    return MailSettings(
        host=server.host,
        port=server.port,
        is_tls=server.is_tls,
        starttls=mail.begins_tls,
        ca_file=str(config.folder / mail.ca_file) if mail.ca_file else None,
        domains=mail.domains_written_to,
        url=config.admin.url,
        **mail.model_dump(include={"sender", "to", "user", "password", "most_per_hour", "weekly"}),
    )


def _oidc(config: Config) -> OidcSettings | None:
    oidc = config.login.oidc
    if oidc.issuer is None or oidc.client_id is None or config.admin.url is None:
        return None
    return OidcSettings(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        url=config.admin.url,
        ca_file=str(config.folder / oidc.ca_file) if oidc.ca_file else None,
        roles=tuple(oidc.roles.model_dump().items()),
        **oidc.model_dump(include={"client_secret", "session_seconds", "audience", "name_claim", "roles_claim"}),
    )
