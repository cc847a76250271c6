"""The feed as metrics and reasons for trouble tell it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from admin_api.subscriptions.feed.record import FeedRecord
from blocklists.catalogue import Catalogue
from blocklists.feed.content import FeedVersion
from resolver.policy.snapshot import PolicySnapshot

Gauges = Mapping[str, Mapping[tuple[str, ...], float]]

Foretell = Callable[[PolicySnapshot, Catalogue, bool], Awaitable[None]]
"""Tells which logged queries a catalogue would block that a policy does not; True: it waits to be accepted."""


def troubles_of(at_opening: str, record: FeedRecord, version: FeedVersion | None) -> list[str]:
    """Reasons why a feed is not healthy, in finished sentences."""
    refused = f"the catalogue feed is not used: {record.error}" if record.error else ""
    expired = expiry(version) if version is not None else ""
    return [text for text in (at_opening, refused, expired) if text]


def expiry(version: FeedVersion) -> str:
    """The sentence about a version in force that has expired; "" while it has not."""
    if not version.has_expired(datetime.now(UTC)):
        return ""
    day = f"{version.expires:%Y-%m-%d}"
    return f"the catalogue feed in force, {version}, expired on {day}; it stays until a newer one comes"


def gauges_of_version(bundled: int, feed: FeedVersion | None) -> Gauges:
    """The numbers of the catalogues in force."""
    numbers: dict[tuple[str, ...], float] = {("bundled",): bundled}
    if feed is not None:
        numbers["feed",] = feed.number
    return {"moatdns_catalogue_version": numbers}


def gauges_of_feed(version: FeedVersion | None, record: FeedRecord, *, is_waiting: bool, is_failing: bool) -> Gauges:
    """Gauges of a feed."""
    success = record.success_at
    return {
        "moatdns_feed_failing": {(): is_failing},
        "moatdns_feed_waiting": {(): is_waiting},
        "moatdns_feed_last_success_timestamp_seconds": {(): success} if success is not None else {},
        "moatdns_feed_expires_timestamp_seconds": {(): version.expires.timestamp()} if version else {},
    }
