"""The catalogue at the start of the control process: the bundled one, with the last good copy of the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blocklists.catalogue import Catalogue
from blocklists.data_files import catalogue_version
from blocklists.feed.content import FeedVersion
from blocklists.feed.judging import FeedRefused, is_superseded
from blocklists.feed.kept import kept_path, load_signed, read_state
from blocklists.feed.merging import with_feed
from blocklists.feed.minisign import PublicKey
from blocklists.feed.place import CataloguePlace, LoadedCatalogue
from blocklists.versions import load_kept
from resolver.config.settings import ControlSettings
from resolver.errors import CatalogueError


@dataclass(frozen=True, slots=True)
class OpenedCatalogue:
    """A catalogue, and without its feed; the version of the feed, or why its last good copy is not in there."""

    loaded: LoadedCatalogue
    base: LoadedCatalogue
    version: FeedVersion | None = None
    trouble: str = ""


def open_catalogue(settings: ControlSettings) -> OpenedCatalogue:
    """The catalogue by these settings and the copies in state_dir. Raises CatalogueError for the bundled part."""
    folder = Path(settings.catalogue) if settings.catalogue else None
    base = LoadedCatalogue(load_kept(folder), CataloguePlace(folder))
    state_dir = Path(settings.state_dir)
    digest = read_state(state_dir).in_force if settings.feed is not None else None
    if settings.feed is None or digest is None:
        return OpenedCatalogue(base, base)
    return with_copy(base, state_dir, digest, settings.feed.keys)


def with_copy(base: LoadedCatalogue, state_dir: Path, digest: str, keys: Sequence[str]) -> OpenedCatalogue:
    """The catalogue with a kept copy of the feed, which one of the keys has signed."""
    folder = base.place.folder
    try:
        fed = load_signed(state_dir, digest, [PublicKey.parse(key) for key in keys])
        if is_superseded(fed.version, catalogue_version(folder)):
            return OpenedCatalogue(base, base)
        whole: Catalogue = with_feed(base.catalogue, fed)
    except (FeedRefused, CatalogueError) as error:
        return OpenedCatalogue(base, base, trouble=f"the catalogue feed's last good copy is not in force: {error}")
    place = CataloguePlace(folder, kept_path(state_dir, digest))
    return OpenedCatalogue(LoadedCatalogue(whole, place), base, fed.version)
