"""The feed of signed catalogues: looked at when its time has come, judged, and put in force or held back.

What is refused changes nothing: the last good copy stays in force, and status, log and metrics say why. A copy that
expires in force stays too. What is put in force is recorded first, in the audit trail and as a revision of the policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from admin_api.child_process import in_child
from admin_api.compiling.keeper import Keeper
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.subscriptions.feed.messages import FEED_CHANNEL, FeedJudged, JudgeFeed
from admin_api.subscriptions.feed.opening import OpenedCatalogue, with_copy
from admin_api.subscriptions.feed.outcomes import (
    HeldCatalogue,
    check_accepted,
    next_look,
    reasons_to_hold,
    refusal_of,
    told,
)
from admin_api.subscriptions.feed.record import FeedRecord, read_record, write_record
from admin_api.subscriptions.feed.source import FeedSource
from admin_api.subscriptions.feed.told import Foretell, Gauges, expiry, gauges_of_feed, gauges_of_version, troubles_of
from blocklists.catalogue import Catalogue
from blocklists.data_files import catalogue_version
from blocklists.feed.content import FeedVersion
from blocklists.feed.judging import REASONS, FeedRefused
from blocklists.feed.kept import (
    FeedState,
    accepted,
    higher,
    kept_path,
    plain_of,
    read_state,
    signature_path,
    write_state,
)
from blocklists.feed.place import CurrentCatalogue
from resolver.config.settings import ControlSettings, FeedSettings
from resolver.errors import CatalogueError, FetchError, MoatdnsError
from resolver.policy.snapshot import PolicySnapshot
from resolver.telemetry.log import Log

ACTOR: Final = "catalogue-feed"
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 2.0  # after a signature that is not good: the publisher may be replacing both files just now
_MOST_RECORDED = 100  # rules in an audit row
_MOST_ERROR = 500  # characters
_CHILD = "admin_api.subscriptions.feed.child"


class FeedKeeper:
    """The one that keeps the feed. Without a feed in the config it has nothing to do."""

    def __init__(
        self,
        settings: ControlSettings,
        access: StoreAccess,
        policy: Keeper,
        current: CurrentCatalogue,
        opened: OpenedCatalogue,
        log: Log,
    ) -> None:
        self.settings: FeedSettings | None = settings.feed
        self.version: FeedVersion | None = opened.version
        self.held: HeldCatalogue | None = None
        self.record = FeedRecord()
        self.next_at = 0.0  # Unix time
        self.foretell: Foretell | None = None
        self.refused: Counter[str] = Counter()
        self._access = access
        self._policy = policy
        self._current = current
        self.base = opened.base
        self._log = log
        self._state_dir = Path(settings.state_dir)
        self._state = read_state(self._state_dir)
        self._opening_trouble = opened.trouble
        self._failures = 0
        self._asked = asyncio.Event()
        self._timeout_seconds = float(settings.fetch_timeout_seconds)
        self._told_expired = False
        self._marks: Mapping[str, Any] = {}  # of what is being looked at

    @property
    def troubles(self) -> list[str]:
        """Reasons why the feed is not healthy, in finished sentences."""
        return troubles_of(self._opening_trouble, self.record, self.version) if self.settings else []

    @property
    def bundled_version(self) -> int:
        """The number of the catalogue that the feed adds to."""
        return catalogue_version(self.base.place.folder)

    def gauges(self) -> Gauges:
        """Versions, and how the feed does."""
        versions = gauges_of_version(self.bundled_version, self.version)
        if self.settings is None:
            return versions
        is_waiting, is_failing = self.held is not None, bool(self.troubles)
        return {**versions, **gauges_of_feed(self.version, self.record, is_waiting=is_waiting, is_failing=is_failing)}

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Refusals by reason, as metrics have them."""
        return {("feed_refused", reason): self.refused[reason] for reason in REASONS} if self.settings else {}

    def look_now(self) -> None:
        """Look at the feed as soon as may be."""
        self._asked.set()

    async def run(self) -> None:
        """Keep the feed, for ever."""
        settings = self.settings
        if settings is None:
            return
        source = FeedSource(settings, self._state_dir, timeout_seconds=self._timeout_seconds)
        is_begun = False
        while True:
            try:
                if not is_begun:
                    await self._begin(settings)
                    is_begun = True
                if self._state.held is not None and accepted(self._state_dir) == self._state.held:
                    await self._reconsider(settings)
                if self._asked.is_set() or time.time() >= self.next_at:
                    self._asked.clear()  # before: who asks meanwhile wants another look
                    await self._look(settings, source)
            except StoreAway:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            self._tell_expiry()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._asked.wait()

    async def _begin(self, settings: FeedSettings) -> None:
        """Put the records together; and look again at what was held back, perhaps under another config."""
        async with self._access.store.read() as connection:
            self.record = await read_record(connection)
        highest = higher(self._state.highest, self.record.highest)
        self._state, self.record = replace(self._state, highest=highest), replace(self.record, highest=highest)
        if self._opening_trouble:
            self._log.error("catalogue feed", why=self._opening_trouble)
        if self._state.held is not None:
            await self._reconsider(settings)
        # Where the copy is not the one in force, or of another place, it is fetched at once, and whole.
        is_same = self.record.marks.get("source") == settings.source and self.version is not None
        if not is_same or self.record.success_at is None:
            self.record = replace(self.record, marks={})
        elif not self.record.error:
            self.next_at = next_look(settings, self.record.success_at, 0)

    async def _look(self, settings: FeedSettings, source: FeedSource) -> None:
        """Bring what is there, and take it or say why not."""
        self._marks = self.record.marks
        try:
            judged = await self._bring(settings, source)
            if judged is not None:
                check_accepted(judged)
                outcome = {"success_at": time.time(), "error": "", "marks": self._marks}
                await self._take(settings, judged, self.record.tried(**outcome))
            elif not source.is_file:  # which is looked at every ten seconds, and would be written down as often
                await self._note(self.record.tried(success_at=time.time()))
            self._failures = 0
        except StoreAway:
            self._failures += 1
            raise
        except (FeedRefused, FetchError, CatalogueError, OSError) as error:
            self._failures += 1
            await self._refuse(error, self.record.tried(marks=self._marks))
        finally:
            self.next_at = next_look(settings, time.time(), self._failures)

    async def _bring(self, settings: FeedSettings, source: FeedSource) -> FeedJudged | None:
        """The judgement of what is there, None if it is what was there before.

        It is brought twice where the signature is of another file, and whole after an error: a server's marks do not
        tell of a new signature.
        """
        judged = None
        for marks in (self._marks if source.is_file or not self.record.error else None, None):
            brought = await source.bring(marks)
            if brought is None:
                break
            self._marks = brought.marks
            judged = await self._judge(settings, brought.content, brought.signature)
            if judged.reason != "signature":
                break
            await asyncio.sleep(_AGAIN_SECONDS)
        if judged is not None and judged.is_seen:  # its number counts, also where it is refused for its content
            highest = higher(self._state.highest, {judged.series: (judged.number, judged.digest)})
            self._state = replace(self._state, highest=highest)
            self.record = replace(self.record, highest=highest)
        return judged

    async def _judge(self, settings: FeedSettings, content: Path, signature: Path) -> FeedJudged:
        order = JudgeFeed(
            content=content,
            signature=signature,
            keys=settings.keys,
            in_force=self._current.loaded.place,
            highest=plain_of(self._state.highest),
            now=time.time(),
            state_dir=self._state_dir,
        )
        return await in_child(_CHILD, FEED_CHANNEL, order, CatalogueError, "the reader of the catalogue feed")

    async def _take(self, settings: FeedSettings, judged: FeedJudged, record: FeedRecord) -> None:
        """Put a good catalogue in force, or hold it back."""
        is_known = judged.digest in (accepted(self._state_dir), self._state.in_force)
        why = "" if is_known else ", ".join(reasons_to_hold(settings, judged, self.version))
        if judged.is_superseded:
            await self._note(record)
            self._write(replace(self._state, refused=record.error))
        elif judged.digest == self._state.in_force and self.version is not None:
            await self._note(record)
            self.held = None
            self._write(replace(self._state, held=None, held_why="", refused=record.error))
        elif why:
            await self._note(record)
            if self._state.held != judged.digest:
                so = "look at it (moatdns catalogue diff), then run 'moatdns catalogue accept'"
                self._log.warning("catalogue from the feed held", **told(judged), why=why, so=so)
            is_news = self._state.held != judged.digest
            self.held = HeldCatalogue.of(judged, why)
            self._write(replace(self._state, held=judged.digest, held_why=why, refused=record.error))
            if is_news:
                opened = await asyncio.to_thread(with_copy, self.base, self._state_dir, judged.digest, settings.keys)
                await self._tell_growth(self._policy.snapshot, opened.loaded.catalogue, waits=True)
        else:
            await self._put_in_force(settings, judged, record)

    async def _put_in_force(self, settings: FeedSettings, judged: FeedJudged, record: FeedRecord) -> None:
        opened = await asyncio.to_thread(with_copy, self.base, self._state_dir, judged.digest, settings.keys)
        if opened.version is None:
            raise CatalogueError(opened.trouble or "the copy of the catalogue cannot be read again")
        before = {"series": self.version.series, "version": self.version.number} if self.version else None
        rules = {"added": list(judged.added[:_MOST_RECORDED]), "removed": list(judged.removed[:_MOST_RECORDED])}
        async with self._access.store.change(ACTOR) as change:
            change.record("feed", "catalogue", before, {**told(judged), "key": judged.key, **rules})
            change.touches_policy()
            await write_record(change, record)
        self.record = record
        self._write(replace(self._state, in_force=judged.digest, held=None, held_why="", refused=record.error))
        snapshot = self._policy.snapshot
        self._current.loaded, self.held = opened.loaded, None
        self._policy.changed()
        is_in_force = await self._policy.wait_until_compiled_with(opened.loaded.catalogue)
        self.version, self._opening_trouble, self._told_expired = opened.version, "", False
        if is_in_force:
            self._log.info("catalogue from the feed in force", **told(judged), key=judged.key)
            await self._tell_growth(snapshot, opened.loaded.catalogue, waits=False)

    async def _tell_growth(self, before: PolicySnapshot | None, catalogue: Catalogue, *, waits: bool) -> None:
        if self.foretell is not None and before is not None:
            await self.foretell(before, catalogue, waits)

    async def _reconsider(self, settings: FeedSettings) -> None:
        """Judge again what is held back: somebody has accepted it, or the config is another."""
        digest = self._state.held
        if digest is None:
            return
        content, signature = kept_path(self._state_dir, digest), signature_path(self._state_dir, digest)
        try:
            judged = await self._judge(settings, content, signature)
            check_accepted(judged)
            await self._take(settings, judged, self.record)
        except (FeedRefused, CatalogueError, OSError) as error:
            self.held = None
            self._state = replace(self._state, held=None, held_why="")
            await self._refuse(error, self.record)

    async def _refuse(self, error: MoatdnsError | OSError, record: FeedRecord) -> None:
        reason, why = refusal_of(error)
        self.refused[reason] += 1
        if self.record.error != why[:_MOST_ERROR]:
            kept = "the last good copy stays in force" if self.version else "the bundled catalogue alone is in force"
            self._log.warning("catalogue from the feed refused", reason=reason, why=why, so=kept)
        self._write(replace(self._state, refused=why[:_MOST_ERROR]))
        await self._note(replace(record, error=why[:_MOST_ERROR]))

    async def _note(self, record: FeedRecord) -> None:
        self.record = record
        async with self._access.store.change(ACTOR) as change:
            await write_record(change, record)

    def _write(self, state: FeedState) -> None:
        self._state = state
        try:
            write_state(self._state_dir, state)
        except OSError as error:
            self._log.error("the state of the catalogue feed cannot be written", why=error.strerror or str(error))

    def _tell_expiry(self) -> None:
        if self.version is not None and not self._told_expired and (expired := expiry(self.version)):
            self._told_expired = True
            self._log.warning("catalogue from the feed expired", why=expired)
