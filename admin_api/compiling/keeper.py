"""The policy in force, and the way of a change into it.

Compiled rules are a base with up to two overlays. A round reads the store and puts what changed over the layers that
are there: few changes in the blink of an eye, many in a process of their own (`child`). When the overlays have grown, a
new base is compiled in the background, while rounds go on over the old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from admin_api.compiling.layers import WantedPolicy, has_catalogue, read_wanted
from admin_api.compiling.stacking import FEW_CHANGES, FEW_RULES, Below, Layers, Stacker
from admin_api.store import policy as stored_policy
from admin_api.store import rules
from admin_api.store.access import StoreAccess
from admin_api.store.store import Store
from blocklists.catalogue import Catalogue
from blocklists.feed.place import CurrentCatalogue
from resolver.config.file_policy import forget_contents
from resolver.errors import MoatdnsError, SnapshotError
from resolver.policy.snapshot import PolicySnapshot
from resolver.snapshot.manifests import SNAPSHOTS, Manifest, Origin, read_manifest
from resolver.snapshot.snapshot_file import open_snapshot, write_manifest
from resolver.telemetry.log import Log

PATIENCE_SECONDS = 10.0  # how long a caller is let wait for its change
_NEW_BASE_SECONDS = 120.0  # for a whole new base, a million rules included
_PAUSE_SECONDS = 0.1  # between rounds, so that a flood of changes shares them
_LOOK_SECONDS = 1.0  # how often the store is asked for changes that others made
_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
_FOLD_AGAIN_SECONDS = 30.0  # after one that failed
_ACTOR = "moatdns"

Publish = Callable[[Manifest], Awaitable[None]]


_MOST_LACKS = 100  # that are named
NOT_RECORDED: Final = ("*",)
"""In the place of fetched lists that a policy lacks: perhaps any."""


@dataclass(frozen=True, slots=True)
class PolicyNote:
    """A policy that came in force in every worker: the store's revision, the snapshot's, the catalogue's fingerprint.

    `catalogue` is "" for a snapshot whose catalogue is not the one of now. `lacks` are fetched lists whose newest rules
    are not in it yet: compiling them takes its time.
    """

    at: datetime
    revision: int
    snapshot: int
    catalogue: str
    lacks: tuple[str, ...] = ()


class Keeper:
    """The one that brings the store's policy in force."""

    def __init__(
        self,
        access: StoreAccess,
        state_dir: Path,
        current: CurrentCatalogue,
        publish: Publish,
        log: Log,
        *,
        url: str | None,
    ) -> None:
        """`publish` puts a policy in force in every worker, and raises MoatdnsError when that fails."""
        self._access = access
        self._state_dir = state_dir
        self._current = current
        self._loaded = current.loaded  # that this round compiles with: one and the same from its beginning to its end
        self._publish = publish
        self._log = log
        self._stacker = Stacker(state_dir, self._loaded, url)
        self._manifest: Manifest | None = None
        self._layers: Layers | None = None  # that rounds build on
        self._folding: asyncio.Task[Layers] | None = None
        self._fold_after = 0.0  # on the monotonic clock
        self._changed = asyncio.Event()
        self._came_in_force = asyncio.Condition()
        self.snapshot: PolicySnapshot | None = None  # that the workers answer by; None before the first
        self.revision = 0  # of the store, that is in force in every worker; 0 before the first
        self.whole_revision = 0  # likewise, but with lists that were fetched anew: they take their time
        self.in_force_since: datetime | None = None
        self.catalogue_in_force: Catalogue | None = None  # that the policy in force was compiled with
        self.trouble: str | None = None  # why the newest revision is not in force; None when all is well
        self.adopted: PolicyNote | None = None  # that the workers had when this process began
        self.hear: Callable[[PolicyNote], None] | None = None  # is told of what comes in force

    @property
    def snapshot_revision(self) -> int:
        """The number of the compiled snapshot."""
        return self._manifest.revision if self._manifest else 0

    @property
    def manifest_path(self) -> Path | None:
        """Of the compiled snapshot; None before the first."""
        return self._manifest.path if self._manifest else None

    async def adopt(self, path: Path | None) -> None:
        """Take over the policy that the workers serve already."""
        if path is None:
            return
        try:
            manifest = read_manifest(path)
            self.snapshot = await asyncio.to_thread(open_snapshot, manifest)
        except SnapshotError as error:
            self._log.error("the policy on disk cannot be built on; compiling anew", why=str(error))
            return
        self._manifest = manifest
        self._layers = Layers.of(manifest)
        self.in_force_since = datetime.fromtimestamp(manifest.created_at, UTC)
        origin, catalogue = manifest.origin, self._loaded.catalogue.fingerprint
        is_ours = has_catalogue(origin.base, catalogue)
        self.adopted = PolicyNote(
            datetime.now(UTC), origin.store_revision, manifest.revision, catalogue if is_ours else "", NOT_RECORDED
        )

    def changed(self) -> None:
        """The store has something new: bring it in force soon."""
        self._changed.set()

    def recompile(self) -> None:
        """The compiled files are gone or damaged: make everything anew."""
        self._manifest = self._layers = None
        self._changed.set()

    async def wait_until_in_force(self, revision: int) -> bool:
        """Wait until every worker serves that revision or a later one; False when it takes unreasonably long."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._came_in_force:
                await self._came_in_force.wait_for(lambda: self.revision >= revision)
        except TimeoutError:
            return False
        return True

    async def wait_until_compiled_with(self, catalogue: Catalogue) -> bool:
        """Wait until every worker serves a policy of that catalogue; False when it takes unreasonably long."""
        try:
            async with asyncio.timeout(_NEW_BASE_SECONDS), self._came_in_force:
                await self._came_in_force.wait_for(lambda: self.catalogue_in_force is catalogue)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Bring changes in force, for ever."""
        failures = 0
        while True:
            try:
                if self._changed.is_set() or await self._has_moved():
                    self._changed.clear()
                    await self._round()
                self.trouble = None
                failures = 0
            except MoatdnsError as error:
                if self.trouble != str(error):
                    self._log.error("the newest policy is not in force; the old one stays", why=str(error))
                self.trouble = str(error)
                self._changed.set()
                if isinstance(error, SnapshotError):
                    self._layers = None  # what is there may be damaged: the next round makes everything anew
                await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1
                continue
            await asyncio.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()

    async def close(self) -> None:
        """Give up what is being compiled."""
        if self._folding is not None:
            self._folding.cancel()
            await asyncio.wait([self._folding])

    async def _has_moved(self) -> bool:
        if self._folding is not None and self._folding.done():
            return True
        if 0 < self._fold_after <= time.monotonic():
            self._fold_after = 0.0
            return True
        async with self._access.store.read() as connection:
            return await stored_policy.revision(connection) != self.revision

    async def _round(self) -> None:
        began = time.monotonic()
        store = self._access.store
        self._loaded = self._current.loaded
        self._stacker.use(self._loaded)
        await self._take_fold(store)
        wanted, layers = await self._stacked(store)
        groups = await asyncio.to_thread(wanted.groups, self._loaded.catalogue)
        origin = Origin(wanted.fingerprint, wanted.base, layers.store_id, wanted.revision)
        local = await asyncio.to_thread(lambda: wanted.local)
        manifest = await asyncio.to_thread(self._written, layers, groups, origin, local)
        if manifest is not self._manifest:
            snapshot = await asyncio.to_thread(open_snapshot, manifest, like=self.snapshot)
            await self._publish(manifest)
            self._manifest, self.snapshot = manifest, snapshot
            self.in_force_since = datetime.now(UTC)
            self._log.info(
                "policy in force",
                policy=manifest.revision,
                revision=wanted.revision,
                layers=len(layers.files),
                seconds=round(time.monotonic() - began, 3),
            )
        has_new_base = self._layers is None or self._layers.files[0] != layers.files[0]
        self._layers = layers
        self.trouble = None
        async with self._came_in_force:
            self.revision, self.catalogue_in_force = wanted.revision, self._loaded.catalogue
            lack = wanted.lacks_of(layers.base)
            self.whole_revision = wanted.revision if lack.since is None else min(wanted.revision, lack.since - 1)
            self._came_in_force.notify_all()
        if self.hear is not None:
            fingerprint = self._loaded.catalogue.fingerprint
            lacks = lack.names if len(lack.names) <= _MOST_LACKS else NOT_RECORDED
            self.hear(PolicyNote(datetime.now(UTC), wanted.revision, manifest.revision, fingerprint, lacks))
        await self._tidy(store, wanted, layers, has_new_base=has_new_base)

    def _written(self, layers: Layers, groups: bytes, origin: Origin, local: bytes) -> Manifest:
        """The manifest; the one in force where that says the same."""
        now = self._manifest
        is_same = now is not None and now.layers == layers.files and now.fingerprint == origin.fingerprint
        if now is not None and is_same and now.holds_groups(groups) and now.holds_local(local):
            return now
        return write_manifest(self._state_dir / SNAPSHOTS, layers.files, groups, origin, local)

    async def _stacked(self, store: Store) -> tuple[WantedPolicy, Layers]:
        """The policy as it is, and the layers that it consists of. Raises MoatdnsError."""
        layers = self._layers
        while True:
            async with store.read() as connection:
                wanted = await read_wanted(connection, self._loaded.catalogue)
                if layers is None or not layers.fit(wanted, store.id):
                    if wanted.rules <= FEW_RULES:
                        return wanted, await self._stacker.small_base(connection, wanted, store.id)
                    outcome: Layers | Below = ()
                else:
                    outcome = await self._stacker.over(layers, connection, wanted, self.snapshot)
            if isinstance(outcome, Layers):
                return wanted, outcome
            layers = await self._stacker.by_child(outcome, store.id)

    async def _take_fold(self, store: Store) -> None:
        """Build on the base that was compiled in the background, if it is ready and only few changes came since."""
        folding = self._folding
        if folding is None or not folding.done():
            return
        self._folding = None
        try:
            layers = folding.result()
            async with store.read() as connection:
                since = await rules.count_changes_since(connection, layers.files[0].revision)
            if since <= FEW_CHANGES:  # else a single change would have to wait for a large overlay
                self._layers = layers
        except MoatdnsError as error:
            self._fold_after = time.monotonic() + _FOLD_AGAIN_SECONDS
            self._log.error("a new base could not be compiled; the old one stays", why=str(error))

    async def _tidy(self, store: Store, wanted: WantedPolicy, layers: Layers, *, has_new_base: bool) -> None:
        """Forget what the base has made needless, and have a new one compiled when it is time."""
        if has_new_base:
            needed = {row.content for row in wanted.document.lists if row.content is not None}
            await asyncio.to_thread(forget_contents, self._state_dir, needed)
            async with store.change(_ACTOR) as change:
                await rules.forget_removed(change, layers.files[0].revision)
        if self._folding is None and time.monotonic() >= self._fold_after:
            async with store.read() as connection:
                must_fold = await self._stacker.must_fold(layers, wanted, connection)
            if must_fold:
                self._folding = asyncio.ensure_future(self._stacker.by_child((), store.id))
                self._folding.add_done_callback(lambda _: self._changed.set())
