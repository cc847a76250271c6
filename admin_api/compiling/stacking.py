"""Layers of a policy: those that are there, with what changed over them, or new ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.child_process import in_child
from admin_api.compiling.layers import WantedPolicy, base_rules, overlay_rules
from admin_api.compiling.messages import LAYER_CHANNEL, CompileLayer
from admin_api.store import rules
from blocklists.feed.place import LoadedCatalogue
from resolver.errors import SnapshotError
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.stack import RuleStack
from resolver.snapshot.manifests import SNAPSHOTS, LayerFiles, Manifest
from resolver.snapshot.snapshot_file import open_layers, write_layer

FEW_CHANGES = 2_000  # at most, of an overlay that is compiled in this process
MANY_CHANGES = 250_000  # beyond, a new base is the shorter way
FOLD_CHANGES = 10_000  # over the base; beyond, a new one is compiled in the background
FEW_RULES = 20_000  # a base of so many is compiled in this process
_CHILD = "admin_api.compiling.child"


@dataclass(frozen=True, slots=True)
class Layers:
    """Compiled rules: a base, and what was put over it. `base` is what the lowest holds beside the store's rules."""

    base: str
    store_id: str  # "" where the lowest holds nothing of a store
    files: tuple[LayerFiles, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> Layers:
        """Those of a policy on disk."""
        return cls(manifest.origin.base, manifest.origin.store_id, manifest.layers)

    def fit(self, wanted: WantedPolicy, store_id: str) -> bool:
        """Whether the policy can be built on them."""
        is_of_store = self.store_id in ("", store_id)
        lack = wanted.lacks_of(self.base)
        if lack.must_wait or (lack.since is not None and wanted.rules <= FEW_RULES):
            return False
        return is_of_store and all(f.revision <= wanted.revision for f in self.files)


Below = tuple[LayerFiles, ...]
"""Layers over which the compiler child is to make one; over none, it makes a base."""


class Stacker:
    """Makes layers, here or in a child."""

    def __init__(self, state_dir: Path, loaded: LoadedCatalogue, url: str | None) -> None:
        self._state_dir = state_dir
        self._folder = state_dir / SNAPSHOTS
        self._loaded = loaded
        self._url = url

    def use(self, loaded: LoadedCatalogue) -> None:
        """Compile with another catalogue from now on."""
        self._loaded = loaded

    async def over(
        self, layers: Layers, connection: AsyncConnection, wanted: WantedPolicy, like: PolicySnapshot | None
    ) -> Layers | Below:
        """Layers that fit, with what changed since on top; or what a child has to compile first."""
        if await rules.count_changes_since(connection, layers.files[-1].revision) == 0:
            return layers
        since_base = 0
        for depth in range(1, min(len(layers.files), 2) + 1):
            below = layers.files[:depth]
            changes = await rules.count_changes_since(connection, below[-1].revision)
            if depth == 1:
                since_base = changes
            if changes <= FEW_CHANGES:
                stack = RuleStack(await asyncio.to_thread(open_layers, self._folder, below, like=like))
                compiled = await overlay_rules(connection, wanted, stack, below[-1].revision)
                top = await asyncio.to_thread(write_layer, self._folder, compiled, wanted.revision)
                return Layers(layers.base, layers.store_id, (*below, top))
        return layers.files[:1] if since_base <= MANY_CHANGES else ()

    async def small_base(self, connection: AsyncConnection, wanted: WantedPolicy, store_id: str) -> Layers:
        """A base of few rules."""
        compiled = await base_rules(connection, wanted, self._loaded.catalogue, self._state_dir)
        layer = await asyncio.to_thread(write_layer, self._folder, compiled, wanted.revision)
        return Layers(wanted.base, store_id, (layer,))

    async def by_child(self, below: Below, store_id: str) -> Layers:
        """A layer over those, made in a process of its own. Raises SnapshotError."""
        request = CompileLayer(self._url, self._state_dir, self._loaded.place, below)
        compiled = await in_child(_CHILD, LAYER_CHANNEL, request, SnapshotError, "the compiler")
        return Layers(compiled.base, store_id, (*below, compiled.layer))

    async def must_fold(self, layers: Layers, wanted: WantedPolicy, connection: AsyncConnection) -> bool:
        """Whether a new base should be made: the overlays have grown, or lists were fetched anew."""
        if wanted.lacks_of(layers.base).since is not None:
            return True
        if len(layers.files) == 1:
            return False
        return await rules.count_changes_since(connection, layers.files[0].revision) > FOLD_CHANGES
