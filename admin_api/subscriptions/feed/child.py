"""Judges what was fetched, in a process of its own: a large catalogue takes a second, in which the API would wait.

Run as ``python -m admin_api.subscriptions.feed.child FD``; asked to `JudgeFeed` (messages.py).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from admin_api.child_process import do_for_parent
from admin_api.subscriptions.feed.messages import FEED_CHANNEL, FeedJudged, JudgeFeed
from blocklists.data_files import catalogue_version
from blocklists.feed.checks import is_large
from blocklists.feed.judging import FeedRefused, authentic, check_expiry, check_order, is_superseded, merged
from blocklists.feed.kept import highest_of, keep
from blocklists.feed.minisign import PublicKey
from blocklists.feed.place import CataloguePlace
from blocklists.versions import difference
from resolver.system.state_files import read_own

MOST_TOLD = 1000


def judge(order: JudgeFeed) -> FeedJudged:
    """Judge a fetched catalogue. Raises MoatdnsError, OSError where what is there already cannot be read."""
    content = read_own(order.content)
    signature = read_own(order.signature) if order.signature.exists() else None
    judged = FeedJudged()
    try:
        fed, key = authentic(content, signature, [PublicKey.parse(text) for text in order.keys])
        version = fed.version
        judged = FeedJudged(
            version.series, version.number, version.expires.timestamp(), fed.digest, key.name, changes=0
        )
        check_order(fed, highest_of(order.highest))
        check_expiry(version, datetime.fromtimestamp(order.now, UTC))
        judged = replace(judged, is_seen=True)
        if is_superseded(version, catalogue_version(order.in_force.folder)):
            return replace(judged, is_superseded=True)
        base = CataloguePlace(order.in_force.folder).load()
        after = merged(base, fed)
    except FeedRefused as error:
        return replace(judged, reason=error.reason, why=str(error))
    before = order.in_force.load() if order.in_force.feed else base
    change = difference(before, after)
    keep(order.state_dir, content, signature or b"")
    return replace(
        judged,
        is_large=is_large(change, before),
        changes=len(change.added) + len(change.removed),
        added=change.added[:MOST_TOLD],
        removed=change.removed[:MOST_TOLD],
    )


if __name__ == "__main__":
    do_for_parent(FEED_CHANNEL, (JudgeFeed,), judge)
