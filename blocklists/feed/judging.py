"""Judging a fed catalogue: whose it is, whether its time is right, whether it is good. All receivers do all of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, Literal, get_args

from blocklists.catalogue import Catalogue
from blocklists.feed.checks import faults
from blocklists.feed.content import BUNDLED_SERIES, FedCatalogue, FeedVersion
from blocklists.feed.merging import with_feed
from blocklists.feed.minisign import PublicKey, Signature, SignatureError
from resolver.errors import CatalogueError, MoatdnsError

Reason = Literal["fetch", "huge", "unsigned", "signature", "format", "expired", "lower", "faults"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
"""Reasons for which a catalogue is refused, as metrics have them."""

Highest = Mapping[str, tuple[int, str]]
"""The highest version seen of each series, and the SHA-256 of its file."""

_MOST_SERIES: Final = 16
_MOST_TOLD = 5


class FeedRefused(MoatdnsError):
    """A fed catalogue that is not taken: a reason, in a word, and the sentence."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason: Reason = reason


def authentic(content: bytes, signature: bytes | None, keys: Sequence[PublicKey]) -> tuple[FedCatalogue, PublicKey]:
    """The catalogue that one of the keys has signed, and that key. Nothing is read before it is. Raises FeedRefused."""
    if not signature:
        raise FeedRefused("unsigned", "it has no signature: a file of its name with .minisig behind it is needed")
    try:
        key = Signature.parse(signature).check(content, keys)
    except SignatureError as error:
        raise FeedRefused("signature", str(error)) from error
    try:
        return FedCatalogue.parse(content), key
    except CatalogueError as error:
        raise FeedRefused("format", str(error)) from error


def check_expiry(version: FeedVersion, now: datetime.datetime) -> None:
    """Refuse what is too old. Raises FeedRefused."""
    if version.has_expired(now):
        raise FeedRefused("expired", f"{version} expired on {version.expires:%Y-%m-%d}")


def check_order(fed: FedCatalogue, highest: Highest) -> None:
    """Refuse what was before, or what has the number of another. Raises FeedRefused."""
    version = fed.version
    number, digest = highest.get(version.series, (0, ""))
    if not number and len(highest) >= _MOST_SERIES:
        raise FeedRefused("lower", f"{version}: {_MOST_SERIES} other series were seen already, and no more are taken")
    if version.number < number:
        raise FeedRefused("lower", f"{version} is older than version {number}, which was seen already")
    if version.number == number and fed.digest != digest:
        raise FeedRefused("lower", f"{version} was seen already, with another content: a new one needs a higher number")


def is_superseded(version: FeedVersion, bundled: int) -> bool:
    """Whether the bundled catalogue of that number is as new: then the feed adds nothing to it."""
    return version.series == BUNDLED_SERIES and version.number <= bundled


def merged(base: Catalogue, fed: FedCatalogue) -> Catalogue:
    """The catalogue with the feed, which has no faults. Raises FeedRefused."""
    try:
        whole = with_feed(base, fed)
    except CatalogueError as error:
        raise FeedRefused("format", str(error)) from error
    if found := list(islice(faults(whole), _MOST_TOLD + 1)):
        more = " and more" if len(found) > _MOST_TOLD else ""
        raise FeedRefused("faults", "; ".join(found[:_MOST_TOLD]) + more)
    return whole
