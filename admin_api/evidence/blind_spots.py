"""Blind spots: what this evidence cannot show, in finished sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from admin_api.evidence.lines import Period
from admin_api.evidence.recording import LOOK_SECONDS, SILENCE_SECONDS
from admin_api.store.checkpoints import Checkpoint
from admin_api.store.columns import iso_text
from resolver.config.settings import ControlSettings

_ALWAYS = (
    "DNS sees names alone: whoever asks another resolver (DNS over HTTPS within an application, a VPN or proxy of "
    "their own, a mobile network), or goes to an address without asking for its name, is not seen here; the rules of "
    "bypass and a firewall that closes ports 53 and 853 to others make that harder",
    "answers that clients and their applications have cached, and connections that were open already, outlast a change",
    "the catalogue has the services that it knows: a service, or a name of one, that nobody had listed yet was let "
    "through, and left no hit",
    f"a crash is known to {LOOK_SECONDS:g} s, by the last sign of life before it; what workers and the node lacked is "
    f"looked at every {LOOK_SECONDS:g} s, and what came and went between two looks is not here; where two looks were "
    f"more than {SILENCE_SECONDS:g} s apart, there is a gap ('not observed')",
    "local names of the config (local, local_files) are answered before the policy: an address of a service that is "
    "written there leads to it, and leaves no hit; changes of them are in the audit trail, as the config's",
    "times are those of this node's clock",
    "what a list fetched from elsewhere had in it is not kept: that it changed is in the audit trail, and which names "
    "it no longer blocks is not",
    "whoever is root on this machine can change its records; the signature shows that this file is what the node "
    "made, and the audit trail's heads that are kept elsewhere show whether rows of that trail were changed or cut off",
)


@dataclass(frozen=True, slots=True)
class RecordsReach:
    """Records, and since when each is whole (None: it holds nothing)."""

    node: datetime | None
    audit: datetime | None
    revisions: datetime | None
    removed: Checkpoint | None = None  # of the audit trail, when their time was over


def blind_spots(
    settings: ControlSettings, log_lacks: Sequence[str], reach: RecordsReach, period: Period, group: str | None
) -> Iterator[str]:
    """All of them, for a period."""
    for what, since, so in (
        ("runs of the service, troubles and workers", reach.node, "gaps before are not known"),
        ("the audit trail", reach.audit, "who changed what before is not known"),
        ("the policy's revisions", reach.revisions, "revisions before are not listed"),
    ):
        if since is None or since > period.start:
            yield f"{what}: recorded since {iso_text(since) if since else 'never'}, after this period began: {so}"
    if reach.removed is not None and reach.removed.last.at >= period.start:
        yield f"the audit trail: {reach.removed.told()}; who changed what then is not known"
    yield from log_lacks
    yield from _retention(settings, period)
    if not settings.statistics:
        yield "hits are not counted (statistics.enabled is false): how often exemptions were used is not known"
    if group is not None:
        yield (
            "of one group only: exemptions of clients, networks and identities, lists, tokens and the config are told "
            "whatever group they concern"
        )
    yield from _ALWAYS


def _retention(settings: ControlSettings, period: Period) -> Iterator[str]:
    kept = settings.retention
    for what, days, so in (
        ("the lease history is", kept.lease_history_days, "leases into exempt groups before are not listed"),
        ("ended exemptions are", kept.exemptions_days, "exemptions that had ended before are not listed"),
        ("the query log is", kept.query_log_days if settings.query_log else 0, "single queries before are gone"),
        ("counts are", kept.statistics_days if settings.statistics else 0, "uses and hits before are not counted"),
    ):
        if not days:
            continue
        kept_from = period.now - timedelta(days=days)
        if kept_from > period.start:
            yield f"{what} kept for {days} days, since {iso_text(kept_from)}: {so}"
