"""The catalogue that is in force: where its parts are, and the one object through which a process has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blocklists.catalogue import Catalogue
from blocklists.feed.kept import load_fed
from blocklists.feed.merging import with_feed
from blocklists.versions import load_kept


@dataclass(frozen=True, slots=True)
class CataloguePlace:
    """Place of a catalogue: the folder of a kept one (None: the bundled), and the file of a feed (None: none)."""

    folder: Path | None = None
    feed: Path | None = None

    def load(self) -> Catalogue:
        """The catalogue there, checked by the digests that its files are called by. Raises CatalogueError."""
        base = load_kept(self.folder)
        return base if self.feed is None else with_feed(base, load_fed(self.feed))


@dataclass(frozen=True, slots=True)
class LoadedCatalogue:
    """A catalogue, and its place, from which other processes load it."""

    catalogue: Catalogue
    place: CataloguePlace = CataloguePlace()


class CurrentCatalogue:
    """The catalogue that this process works with now. A feed brings another one while it runs."""

    def __init__(self, loaded: LoadedCatalogue) -> None:
        self.loaded = loaded

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue itself."""
        return self.loaded.catalogue
