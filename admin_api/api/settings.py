"""The API's settings as they follow from the config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from admin_api.api.context import Address, AdminSettings, ChangeTerms, Serves
from admin_api.editing.exemption_checks import Terms
from admin_api.editing.leases import LeaseTerms
from resolver.config.settings import PROXY, ControlSettings, WorkerSettings
from resolver.listeners.sockets import Listen


def _log_lacks(settings: ControlSettings, what: str) -> Iterator[str]:
    """Gaps of the query log, as it is kept."""
    if what == "off":
        yield "no query log is kept (query_log.enabled)"
    elif what == "hits":
        yield "the log has hits only (query_log.what): names that no rule matched are not there"
    if settings.clients != "full":
        yield f"the log does not have clients' addresses (query_log.clients is {settings.clients})"


def _serves(settings: WorkerSettings, serving: tuple[Listen, ...]) -> Serves:
    def of(kind: str) -> tuple[Address, ...]:
        return tuple((each.host, each.port) for each in serving if each.kind == kind)

    return Serves(
        do53=of("do53"),
        dot=of("dot"),
        doh=of("doh"),
        server_name=settings.encrypted.server_name,
        identity=settings.server.identity,
        trusted_proxies=tuple(one.network for one in settings.trusted_proxies if PROXY in one.sources),
    )


def admin_settings(settings: ControlSettings, of_workers: WorkerSettings, serving: tuple[Listen, ...]) -> AdminSettings:
    """Settings of the API; `serving` are the addresses that DNS is served on."""
    return AdminSettings(
        host=str(settings.admin_host),
        port=settings.admin_port,
        allowed_hosts=settings.allowed_hosts,
        metrics=settings.metrics,
        certificate=Path(settings.certificate) if settings.certificate else None,
        private_key=Path(settings.private_key) if settings.private_key else None,
        exemptions=Terms.of(settings),
        leases=LeaseTerms(settings.most_leases, settings.longest_lease_seconds),
        longest_pause_seconds=settings.longest_pause_seconds,
        longest_emergency_pause_seconds=settings.longest_emergency_pause_seconds,
        changes=ChangeTerms(settings.most_change_requests, settings.change_request_seconds),
        log_lacks=tuple(_log_lacks(settings, of_workers.telemetry.query_log)),
        serves=_serves(of_workers, serving),
        ipv6_prefix=settings.networks.ipv6_prefix,
    )
