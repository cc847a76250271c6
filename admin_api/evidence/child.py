"""Makes a report of evidence and signs it, in a process of its own: neither the API's memory nor its time.

Run as ``python -m admin_api.evidence.child FD``; asked to `MakeEvidence` (messages.py). Rows of the audit trail by the
hundred thousand are parsed here, and the secret key is in no other process.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from admin_api.child_process import do_for_parent
from admin_api.editing.refusals import REFUSALS, refusal_of
from admin_api.evidence.document import Wanted, evidence
from admin_api.evidence.lines import FORMAT, Period
from admin_api.evidence.messages import (
    EVIDENCE_CHANNEL,
    EvidenceMade,
    EvidenceNotSigned,
    EvidenceRefused,
    MakeEvidence,
)
from admin_api.evidence.uses import Use, UseCounts
from admin_api.signed.canonical import writable
from admin_api.signed.files import signed
from admin_api.signed.keys import load_key
from admin_api.statistics.rows import OTHER
from admin_api.store.store import Store
from blocklists.catalogue import Catalogue
from resolver.errors import MoatdnsError, SnapshotError
from resolver.policy.snapshot import PolicySnapshot
from resolver.snapshot.manifests import read_manifest
from resolver.snapshot.snapshot_file import open_snapshot
from resolver.telemetry.log import Log, make_log


async def report(
    order: MakeEvidence, catalogue: Catalogue, log: Log
) -> EvidenceMade | EvidenceNotSigned | EvidenceRefused:
    """Make and sign it."""
    try:
        # First: where it cannot be signed, there is nothing to read.
        key = load_key(order.settings.signing_key, order.state_dir, makes=order.makes_key)
    except MoatdnsError as error:
        return EvidenceNotSigned(str(error))
    try:
        store = await Store.open(order.settings.store_url, order.state_dir, log)
        try:
            content = writable(asdict(await evidence(store, _wanted(order, catalogue))))
        finally:
            await store.close()
    except REFUSALS as error:
        refusal = refusal_of(error)
        return EvidenceRefused(refusal.status, refusal.detail, tuple(refusal.errors))
    return EvidenceMade(signed(FORMAT, content, key))


def _wanted(order: MakeEvidence, catalogue: Catalogue) -> Wanted:
    return Wanted(
        period=Period(*(datetime.fromisoformat(text) for text in (order.start, order.end, order.now))),
        group=order.group,
        made_by=order.made_by,
        node=order.node,
        started=datetime.fromtimestamp(order.began, UTC),
        settings=order.settings,
        state_dir=order.state_dir,
        policy=_policy(order),
        local_of_config=order.local_of_config,
        log_lacks=order.log_lacks,
        catalogue=catalogue,
        audit_trouble=order.audit_trouble,
        counts=_counts(order),
        hits=order.hits,
    )


def _policy(order: MakeEvidence) -> PolicySnapshot | None:
    """The policy in force; None where its files are gone by now, or cannot be read: in doubt each local name opens."""
    try:
        # Whoever gave it in force has looked at every octet.
        return None if order.manifest is None else open_snapshot(read_manifest(order.manifest), check=False)
    except SnapshotError:
        return None


def _counts(order: MakeEvidence) -> UseCounts | None:
    """Counts of uses, as far as they are kept; None where nothing is counted."""
    if order.uses is None:
        return None
    by_id = {name: Use(use.count, datetime.fromisoformat(use.last_at)) for name, use in order.uses.items()}
    kept_since = datetime.fromisoformat(order.now) - timedelta(days=order.settings.retention.statistics_days)
    return UseCounts(by_id, kept_since, is_whole=OTHER not in by_id)


async def _outcome(order: MakeEvidence) -> EvidenceMade | EvidenceNotSigned | EvidenceRefused:
    return await report(order, order.catalogue.load(), make_log())


if __name__ == "__main__":
    do_for_parent(EVIDENCE_CHANNEL, (MakeEvidence,), lambda order: asyncio.run(_outcome(order)))
