"""When lists are fetched, and what becomes of what came.

A list is fetched when it is new, when its time has come (with jitter), and on demand; after a failure sooner, with
backoff. What cannot be had, read or believed changes nothing: the last good copy stays in force, and the list says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from admin_api.child_process import in_child
from admin_api.compiling.keeper import Keeper
from admin_api.store import lists
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.lists import ListRow
from admin_api.store.rules import KIND_BOUNDS
from admin_api.subscriptions.fetching import FetchOrder, fetch
from admin_api.subscriptions.messages import LIST_CHANNEL, ReadList
from blocklists.formats.reading import READER
from resolver.config.file_policy import CONTENTS, content_path
from resolver.errors import ListError, MoatdnsError
from resolver.system.state_files import make_folder
from resolver.telemetry.log import Log

ACTOR: Final = "subscriptions"
_LOOK_SECONDS = 1.0
_AT_ONCE = 2  # downloads
_JITTER = 0.1  # of the time between two
_RETRY_SECONDS = (10.0, 60.0, 300.0, 900.0, 3600.0)
_UNPACKED = 4  # times as large as the download, at most
_MANY_RULES = 20  # from here on a loss of over half is not believed
_CHILD = "admin_api.subscriptions.child"
_STORE_PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class _Progress:
    """How far a list is. `promised` are revisions that answers named: kept until what they promised is in force."""

    state: str = "idle"
    received: int = 0
    total: int | None = None
    began: datetime | None = None
    next_at: float = 0.0  # Unix time
    failures: int = 0
    wishes: tuple[object, ...] = ()  # of the list's owner, that `next_at` was worked out with
    is_asked_for: bool = False
    is_believed: bool = False  # somebody asked for this fetch: what comes is meant, however short
    promised: int | None = None
    committed: int = 0  # the revision with the newest copy


class Subscriptions:
    """All lists that are fetched."""

    def __init__(
        self,
        access: StoreAccess,
        keeper: Keeper,
        state_dir: Path,
        log: Log,
        *,
        max_mib: int,
        timeout_seconds: float,
    ) -> None:
        self._access = access
        self._keeper = keeper
        self._state_dir = state_dir
        self._log = log
        self._most_octets = max_mib << 20
        self._timeout_seconds = timeout_seconds
        self._progress: dict[int, _Progress] = {}
        self._rows: dict[int, ListRow] = {}
        self._asked = asyncio.Event()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._reading = asyncio.Semaphore(1)  # one large process at a time

    def request(self, list_id: int, revision: int) -> None:
        """Fetch a list now; the revision is what its answer promised."""
        progress = self._progress.setdefault(list_id, _Progress())
        progress.is_asked_for = True
        progress.promised = revision if progress.promised is None else min(progress.promised, revision)
        self._asked.set()

    def progress(self, list_id: int) -> Mapping[str, Any]:
        """state (idle, waiting, fetching, reading, compiling), received_bytes, total_bytes, started_at, next_at."""
        progress = self._progress.get(list_id, _Progress())
        state = progress.state
        if state == "idle" and progress.is_asked_for:
            state = "waiting"
        elif state == "idle" and progress.committed > self._keeper.whole_revision:
            state = "compiling"
        return {
            "state": state,
            "received_bytes": progress.received,
            "total_bytes": progress.total,
            "started_at": progress.began,
            "next_at": datetime.fromtimestamp(progress.next_at, UTC) if progress.next_at else None,
        }

    def in_force(self) -> int:
        """The revision that is in force with all that was promised."""
        whole = self._keeper.whole_revision
        for progress in self._progress.values():
            is_done = progress.state == "idle" and not progress.is_asked_for
            if is_done and self._keeper.whole_revision >= progress.committed:
                progress.promised = None
            if progress.promised is not None:
                whole = min(whole, progress.promised - 1)
        return whole

    def gauges(self) -> dict[str, dict[tuple[str, ...], float]]:
        """When each list was last fetched with success, and whether the last try failed."""
        rows = self._rows.values()
        return {
            "moatdns_list_last_success_timestamp_seconds": {
                (row.name,): row.last_success_at.timestamp() for row in rows if row.last_success_at
            },
            "moatdns_list_failing": {(row.name,): row.last_error is not None for row in rows},
        }

    async def run(self) -> None:
        """Fetch what is due, for ever."""
        self._sweep()
        at_work: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                with contextlib.suppress(StoreAway):
                    await self._look()
                    for row in [row for row in self._rows.values() if row.content and not self._has_copy(row)]:
                        await self._note_loss(row)
                for list_id in [one for one, task in at_work.items() if task.done()]:
                    at_work.pop(list_id).result()
                for row in self._rows.values():
                    if row.id not in at_work and self._is_due(row):
                        at_work[row.id] = asyncio.ensure_future(self._refresh(row))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._asked.wait()
                self._asked.clear()
        finally:
            for task in at_work.values():
                task.cancel()
            if at_work:
                await asyncio.wait(at_work.values())

    def _sweep(self) -> None:
        """Remove what an earlier process left half done."""
        for path in (self._state_dir / CONTENTS).glob("*.fetched"):
            path.unlink(missing_ok=True)

    async def _look(self) -> None:
        async with self._access.store.read() as connection:
            rows = await lists.all_lists(connection)
        self._rows = {row.id: row for row in rows if row.kind == "subscription"}
        for gone in self._progress.keys() - self._rows.keys():
            del self._progress[gone]

    def _is_due(self, row: ListRow) -> bool:
        progress = self._progress.setdefault(row.id, _Progress())
        if progress.is_asked_for:
            return True
        if not row.enabled:
            return False
        wishes = (row.refresh_seconds, row.allow_private)
        if progress.wishes != wishes:
            progress.wishes, progress.next_at, progress.failures = wishes, 0.0, 0
        if not self._has_copy(row) or _source_of(row) != _source_of_copy(row):
            return time.time() >= (progress.next_at if progress.failures else 0.0)
        if not progress.next_at:
            progress.next_at = self._next_at(row, progress)
        return time.time() >= progress.next_at

    def _next_at(self, row: ListRow, progress: _Progress) -> float:
        refresh = row.refresh_seconds or 86400
        if progress.failures or row.last_error is not None:
            pause = min(_RETRY_SECONDS[min(max(progress.failures - 1, 0), len(_RETRY_SECONDS) - 1)], refresh)
            last = row.last_attempt_at
        else:
            pause, last = refresh, row.last_success_at
        since = last.timestamp() if last else time.time()
        return min(since, time.time()) + pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 (no secret)

    def _has_copy(self, row: ListRow) -> bool:
        return row.content is not None and (row.rules == 0 or content_path(self._state_dir, row.content).is_file())

    async def _refresh(self, row: ListRow) -> None:
        progress = self._progress[row.id]
        progress.is_believed, progress.is_asked_for = progress.is_asked_for, False
        progress.state = "waiting"
        file = self._state_dir / CONTENTS / f"{row.id}.fetched"
        try:
            async with self._turns:
                progress.state, progress.began = "fetching", datetime.now(UTC)
                progress.received, progress.total = 0, None
                make_folder(file.parent)
                await self._fetch_and_keep(row, file, progress)
            progress.failures = 0
        except (MoatdnsError, OSError) as error:
            progress.failures += 1
            await self._note_failure(row, str(error))
        finally:
            file.unlink(missing_ok=True)
            progress.state = "idle"
            progress.began = None
            fresh = await self._fresh(row)
            if fresh is not None:
                progress.next_at = self._next_at(fresh, progress)

    async def _fetch_and_keep(self, row: ListRow, file: Path, progress: _Progress) -> None:
        def told(received: int, total: int | None) -> None:
            progress.received, progress.total = received, total

        of_copy = row.fetched or {}
        is_same = self._has_copy(row) and _source_of(row) == _source_of_copy(row)
        wanted = FetchOrder(
            url=row.url or "",
            allow_private=row.allow_private,
            sha256=row.sha256,
            etag=of_copy.get("etag") if is_same else None,
            last_modified=of_copy.get("last_modified") if is_same else None,
        )
        fetched = await fetch(
            wanted, file, most_octets=self._most_octets, timeout_seconds=self._timeout_seconds, progress=told
        )
        if fetched is None:
            await self._commit(row, progress, {})
            return
        progress.state = "reading"
        order = ReadList(
            file,
            row.format or "auto",
            most_bytes=self._most_octets * _UNPACKED,
            state_dir=self._state_dir,
            quotes=not row.allow_private,
        )
        async with self._reading:
            outcome = await in_child(_CHILD, LIST_CHANNEL, order, ListError, "the reader of lists")
        copy = {**_source_of(row), "etag": fetched.etag, "last_modified": fetched.last_modified}
        await self._commit(row, progress, {**asdict(outcome), "fetched": copy})

    async def _commit(self, row: ListRow, progress: _Progress, outcome: Mapping[str, Any]) -> None:
        """Keep what came. Nothing came where it is up to date. Raises ListError for what is not believed."""
        now = datetime.now(UTC)
        async with self._access.store.change(ACTOR) as change:
            current = await lists.find(change.connection, row.name)
            if current is None or current.id != row.id or _source_of(current) != _source_of(row):
                return  # it was removed, or leads elsewhere now
            values: dict[str, object] = {**outcome, "last_success_at": now, "last_attempt_at": now, "last_error": None}
            is_new = "content" in outcome and outcome["content"] != current.content
            if is_new:
                await self._check(change.connection, current, outcome, is_forced=progress.is_believed)
                values["rules_revision"] = change.revision
            updated = await lists.update(change, current, **values)
            if is_new:
                change.record("refresh", f"lists/{row.name}", current.plain(), updated.plain())
                change.touches_policy()
        if is_new:
            progress.committed = change.revision
            self._keeper.changed()
        self._log.info("list fetched", list=row.name, rules=updated.rules, is_new=is_new)

    async def _check(self, connection: Any, row: ListRow, outcome: Mapping[str, Any], *, is_forced: bool) -> None:
        before, after = row.rules, outcome["rules"]
        if after == 0:
            raise ListError("it contains no rules")
        is_same_source = _source_of(row) == _source_of_copy(row)
        if is_same_source and before >= _MANY_RULES and after * 2 < before and not is_forced:
            raise ListError(
                f"it has {after:,} rules, and had {before:,}: a list that loses more than half of them is not "
                "accepted; if this is intended, POST to its :refresh"
            )
        rows = [other for other in await lists.all_lists(connection) if other.id != row.id]
        for kind, most, words in KIND_BOUNDS:
            count = outcome[kind] + sum(getattr(other, kind) for other in rows)
            if count > most:
                raise ListError(f"with it there would be {count} {words}, and a policy has at most {most}")

    async def _note_failure(self, row: ListRow, why: str) -> None:
        kept = "the last good copy stays in force" if row.content else "there is no copy yet"
        self._log.warning("list not fetched", list=row.name, why=why, so=kept)
        with contextlib.suppress(StoreAway, TimeoutError):
            async with asyncio.timeout(_STORE_PATIENCE_SECONDS), self._access.store.change(ACTOR) as change:
                current = await lists.find(change.connection, row.name)
                if current is not None and current.id == row.id:
                    await lists.update(change, current, last_error=why[:500], last_attempt_at=datetime.now(UTC))

    async def _note_loss(self, row: ListRow) -> None:
        """The copy is gone from the disk: without it nothing could be compiled, so go on as if there had been none."""
        nothing = {"content": None, "rules": 0, "patterns": 0, "regexes": 0, "fetched": None, "report": None}
        async with self._access.store.change(ACTOR) as change:
            current = await lists.find(change.connection, row.name)
            if current is None or current.id != row.id or current.content != row.content:
                return
            why = "its copy was lost; it is fetched anew"
            updated = await lists.update(
                change, current, **nothing, rules_revision=change.revision, last_error=why, last_success_at=None
            )
            change.record("lose copy", f"lists/{row.name}", current.plain(), updated.plain())
            change.touches_policy()
        self._rows[row.id] = updated
        self._log.error("the copy of a list is gone from the disk", list=row.name, so="it is fetched anew")
        self._keeper.changed()

    async def _fresh(self, row: ListRow) -> ListRow | None:
        with contextlib.suppress(StoreAway):
            await self._look()
        return self._rows.get(row.id)


def _source_of(row: ListRow) -> Mapping[str, object]:
    return {"url": row.url, "format": row.format, "sha256": row.sha256, "reader": READER}


def _source_of_copy(row: ListRow) -> Mapping[str, object]:
    copy = row.fetched or {}
    return {name: copy.get(name) for name in ("url", "format", "sha256", "reader")}
