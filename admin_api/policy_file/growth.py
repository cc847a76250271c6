"""Growth of the catalogue, told by queries: those of the last days that another catalogue would have blocked.

One came with a new version and is in force, or waits to be accepted. All of it is worked out off the DNS path, after a
start, from the query log. What was found is a document of the store, for the API.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from admin_api.compiling.keeper import Keeper
from admin_api.compiling.layers import WantedPolicy
from admin_api.policy_file.replay import AskedNames, asked_since, judge
from admin_api.query_log.unreadable import UnreadableBlocks
from admin_api.store import documents
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.policy import read_policy
from admin_api.subjects.keeper import SubjectKeeper
from blocklists.catalogue import Catalogue
from blocklists.loading import load_catalogue
from blocklists.sources import bundled_sources
from resolver.errors import MoatdnsError, RuleError
from resolver.policy.compiler import compile_rules, policy_in_memory
from resolver.policy.decision import Decision, Verdict
from resolver.policy.moments import Moment
from resolver.policy.rule_layer import Rank
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now as moment
from resolver.snapshot.manifests import read_manifest
from resolver.telemetry.log import Log

NEWS: Final = "catalogue_news"
"""The document: `CatalogueNews`, as plain data."""

_DAYS = 7
_MOST_SERVICES = 10  # that are named
_ACTOR = "moatdns"
_OF_CATALOGUE = (Rank.BUNDLED, Rank.FEED)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Queries that only another catalogue blocks, from how many clients, by service, the most asked first."""

    queries: int
    clients: int
    services: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class CatalogueNews:
    """A forecast as it is told. `waits`: of a catalogue that waits to be accepted. `at` is ISO 8601."""

    at: str
    waits: bool
    days: int
    logged: int  # queries that the log has of these days, with a client
    queries: int
    clients: int
    services: tuple[tuple[str, int], ...]
    cannot_show: tuple[str, ...]


def newly_blocked(
    asked: AskedNames, before: PolicySnapshot, after: PolicySnapshot, subjects: Subjects, now: Moment
) -> Forecast:
    """Count what the catalogue in `after` blocks of what was asked, and `before` does not. Runs in a thread.

    `after` may lack own lists: what they allow in `before` is left out.
    """
    old_verdict, new_verdict = judge(before, subjects, now), judge(after, subjects, now)
    services: Counter[str] = Counter()
    clients: set[str] = set()
    for (client, name), count in asked.pairs.items():
        try:
            new = new_verdict(client, name)
            if new.verdict is not Verdict.BLOCK or new.rule is None:
                continue
            old = old_verdict(client, name)
        except (ValueError, RuleError):  # a network, or a name that nobody could ask for
            continue
        is_of_catalogue = after.stack.sources[new.rule.meaning.source].rank in _OF_CATALOGUE
        if is_of_catalogue and old.verdict is not Verdict.BLOCK and not _is_allowed_by_a_list(before, old):
            services[new.what] += count
            clients.add(client)
    most = sorted(services.items(), key=lambda item: (-item[1], item[0]))
    return Forecast(services.total(), len(clients), tuple(most[:_MOST_SERVICES]))


def _is_allowed_by_a_list(policy: PolicySnapshot, decision: Decision) -> bool:
    rule = decision.rule
    if rule is None or rule.action != "allow":
        return False
    return policy.stack.sources[rule.meaning.source].rank is Rank.OWN


class Growth:
    """Tells, once after a start, what another catalogue blocks. Made while the policy before is still in force."""

    def __init__(
        self,
        policy: Keeper,
        subjects: SubjectKeeper,
        access: StoreAccess,
        state_dir: Path,
        log: Log,
        *,
        lacks: Sequence[str],
        unreadable: UnreadableBlocks,
        waits: bool,
    ) -> None:
        """`lacks` are gaps of the query log, in finished sentences. `waits`: the bundled catalogue is not accepted."""
        self._policy = policy
        self._subjects = subjects
        self._access = access
        self._state_dir = state_dir
        self._log = log
        self._lacks = tuple(lacks)
        self._unreadable = unreadable
        self._waits = waits
        self._before = policy.snapshot
        self._made_by = _made_by(policy.manifest_path)

    async def run(self) -> None:
        """Tell it once the policy of this start is in force."""
        before = self._before
        if before is None:
            return  # a first start: nothing was open before
        await self._subjects.loaded.wait()
        while not await self._policy.wait_until_in_force(1):
            pass
        after, self._before = self._policy.snapshot, None
        has_changed = self._made_by is not None and self._made_by != _made_by(self._policy.manifest_path)
        if after is not None and has_changed:
            await self._tell(before, after, waits=False)
        if after is not None and self._waits:
            async with self._access.store.read() as connection:
                wanted = WantedPolicy(await read_policy(connection), "", "")
            await self._tell(after, await asyncio.to_thread(_with_bundled, wanted), waits=True)

    async def tell_fed(self, before: PolicySnapshot, catalogue: Catalogue, waits: bool) -> None:
        """Tell what a catalogue from the feed would block beside what `before` blocks, or blocks by now.

        Raises StoreAway.
        """
        async with self._access.store.read() as connection:
            wanted = WantedPolicy(await read_policy(connection), "", "")
        await self._tell(before, await asyncio.to_thread(_with, wanted, catalogue), waits=waits)

    async def _tell(self, before: PolicySnapshot, after: PolicySnapshot, *, waits: bool) -> None:
        at = datetime.now(UTC)
        asked = await asyncio.to_thread(asked_since, self._state_dir, at - timedelta(days=_DAYS))
        self._unreadable.note_all(asked.unreadable)
        found = await asyncio.to_thread(newly_blocked, asked, before, after, self._subjects.subjects, moment())
        lacks = (*self._lacks, *asked.cannot_show)
        news = CatalogueNews(at.isoformat(), waits, _DAYS, asked.queries, cannot_show=lacks, **asdict(found))
        self._log.info(
            "queries of the last days that the waiting catalogue would have blocked"
            if waits
            else "queries of the last days that the changed catalogue would have blocked",
            queries=news.queries,
            clients=news.clients,
            days=news.days,
            of=news.logged,
            services=dict(news.services),
            cannot_show=list(lacks),
        )
        try:
            async with self._access.store.change(_ACTOR) as change:
                await documents.put(change.connection, NEWS, asdict(news))
        except StoreAway:
            return  # the log has it


def _with_bundled(wanted: WantedPolicy) -> PolicySnapshot:
    """The policy with the bundled catalogue, and without lists. Runs in a thread."""
    return _with(wanted, load_catalogue())


def _with(wanted: WantedPolicy, catalogue: Catalogue) -> PolicySnapshot:
    return policy_in_memory(compile_rules(bundled_sources(catalogue)), wanted.groups(catalogue))


def _made_by(manifest: Path | None) -> str | None:
    """The mark of the catalogue and compiler that a policy on disk was made with."""
    try:
        return str(json.loads(read_manifest(manifest).origin.base)["made_by"]) if manifest is not None else None
    except (MoatdnsError, ValueError, TypeError, KeyError):
        return None
