"""Puts the admin API and its pages together from the parts of the control process that they need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from admin_api.api.context import Context
from admin_api.api.serving import ApiServer
from admin_api.api.settings import Serves
from admin_api.channel import SupervisorChannel
from admin_api.keepers import Keepers
from admin_api.messages import Begin
from admin_api.pages.site import add_pages
from admin_api.query_log.gaps import log_lacks
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.shown import Shown
from resolver.answering.explaining import Access, access_of
from resolver.telemetry.log import Log


def make_api(first: Begin, keepers: Keepers, channel: SupervisorChannel, log: Log) -> ApiServer:
    """The admin API, not started yet."""
    issuer = None
    if first.settings.oidc is not None:
        from admin_api.sign_in.issuer import Issuer  # noqa: PLC0415 (with joserfc, which takes memory)

        issuer = Issuer(first.settings.oidc, log)
    settings, of_workers = first.settings, first.worker_settings
    access = access_of(of_workers)
    keepers.gauges.local_names_of_config = len(access.local_names.of_config)
    keepers.host_names.local = lambda: _local_hosts(access, keepers)
    context = Context(
        settings=settings,
        serves=Serves.of(of_workers, first.serving),
        log_lacks=tuple(log_lacks(settings, of_workers.telemetry.query_log)),
        access=access,
        log=log,
        store_access=keepers.access,
        policy=keepers.policy,
        subjects=keepers.subjects,
        outbox=keepers.outbox,
        deliveries=keepers.deliveries,
        sinks=keepers.sinks,
        audit_heads=keepers.heads,
        restored=keepers.restored,
        evidence=keepers.evidence,
        erasures=keepers.erasures,
        persons=keepers.persons,
        plans=keepers.plans,
        subscriptions=keepers.subscriptions,
        statistics=keepers.statistics,
        query_log=QueryLogReader(
            Path(settings.state_dir),
            unreadable=keepers.unreadable_blocks,
            shown=Shown(settings.clients, settings.identities),
        ),
        unreadable_blocks=keepers.unreadable_blocks,
        node=channel,
        privacy=keepers.privacy,
        current=keepers.catalogue,
        feed=keepers.feed,
        host_names=keepers.host_names,
        state_dir=Path(settings.state_dir),
        began=first.began,
        issuer=issuer,
        config_problems=keepers.config_problems,
        upstream_troubles=lambda: keepers.upstreams.states.troubles,
    )
    return ApiServer(context, add_pages)


def _local_hosts(access: Access, keepers: Keepers) -> Mapping[str, str]:
    """The local names of the config and of the policy in force, by address."""
    snapshot, names = keepers.policy.snapshot, access.local_names
    data = names.given if snapshot is None else names.prepared(snapshot.local)
    return {} if data is None else data.canonical
