"""The bundled catalogue, read once a process: reading it takes more than most tests."""

from __future__ import annotations

import functools

from blocklists.catalogue import Catalogue
from blocklists.loading import load_catalogue


@functools.cache
def bundled_catalogue() -> Catalogue:
    """The bundled catalogue. Nothing changes a catalogue."""
    return load_catalogue()
