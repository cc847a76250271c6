"""Messages between the control process and the child that compiles a layer (admin_api.compiling.child)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blocklists.feed.place import CataloguePlace
from resolver.snapshot.manifests import LayerFiles
from resolver.system.channel import Asks, MessageSet

LAYER_SECONDS: Final = 3600.0
"""For a layer of millions of rules to be compiled; beyond, the child is taken for hung."""


@dataclass(frozen=True, slots=True)
class LayerCompiled:
    """A layer on disk, and what a base stands for."""

    layer: LayerFiles
    base: str


@dataclass(frozen=True, slots=True)
class CompileLayer(Asks[LayerCompiled]):
    """Compile an overlay over the layers `below`; over none, a base."""

    store_url: str | None
    state_dir: Path
    catalogue: CataloguePlace
    below: tuple[LayerFiles, ...]


LAYER_CHANNEL: Final = MessageSet("layer", 1, LayerCompiled, patience_seconds={CompileLayer: LAYER_SECONDS})
