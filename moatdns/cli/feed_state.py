"""The catalogue feed as its files in the state directory tell it: what is in force, what waits, what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blocklists.feed.content import FedCatalogue
from blocklists.feed.kept import FeedState, kept_path, load_fed, read_state
from blocklists.feed.merging import with_feed
from blocklists.versions import Difference, difference, in_force, load_kept
from resolver.config.schema import Config


@dataclass(frozen=True, slots=True)
class FeedTold:
    """A feed, and what the version that waits would change."""

    state: FeedState
    in_force: FedCatalogue | None
    held: FedCatalogue | None
    change: Difference | None

    @property
    def lines(self) -> list[str]:
        """Its state in sentences."""
        found = ["nothing of the feed is in force"]
        if self.in_force is not None:
            version = self.in_force.version
            found = [f"from the feed, {version} is in force, good until {version.expires:%Y-%m-%d}"]
        if self.state.refused:
            found.append(f"the feed's last catalogue was refused: {self.state.refused}")
        if self.held is not None:
            found.append(f"from the feed, {self.held.version} waits, since {self.state.held_why}:")
        return found

    def to_plain(self) -> Mapping[str, Any]:
        """As JSON has it."""
        change = self.change or Difference((), ())
        return {
            "in_force": _plain(self.in_force),
            "waiting": _plain(self.held),
            "why": self.state.held_why or None,
            "refused": self.state.refused or None,
            "added": change.added,
            "removed": change.removed,
        }


def told_of(config: Config) -> FeedTold | None:
    """The feed of a config, None where it has none. Raises CatalogueError for copies that cannot be read."""
    if config.policy.catalogue.feed is None:
        return None
    state = read_state(config.state_dir)
    now, held = (
        load_fed(kept_path(config.state_dir, digest)) if digest is not None else None
        for digest in (state.in_force, state.held)
    )
    change = None
    if held is not None:
        base = load_kept(in_force(config.state_dir, review=config.policy.catalogue.mode == "review"))
        change = difference(with_feed(base, now) if now is not None else base, with_feed(base, held))
    return FeedTold(state, now, held, change)


def _plain(fed: FedCatalogue | None) -> Mapping[str, Any] | None:
    if fed is None:
        return None
    version = fed.version
    return {"series": version.series, "version": version.number, "expires": version.expires.isoformat()}
