"""The admin API on a real socket and a real store; what other processes do is stood in for by small doubles."""

from __future__ import annotations

import asyncio
import functools
import io
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from admin_api.api.context import Context
from admin_api.api.serving import ApiServer
from admin_api.api.settings import Serves
from admin_api.audit.head import HeadKeeper
from admin_api.backup.watch import RestoredWatch
from admin_api.editing.erasures import ClientErasures
from admin_api.editing.people import PersonErasures
from admin_api.evidence.child import report
from admin_api.evidence.desk import EvidenceDesk
from admin_api.evidence.messages import EvidenceMade, EvidenceNotSigned, EvidenceRefused, MakeEvidence
from admin_api.host_names.keeper import HostNames
from admin_api.messages import NodeStatus, WorkerStatus
from admin_api.outbox.delivery import Deliveries
from admin_api.outbox.receivers import Outbox
from admin_api.pages.site import add_pages
from admin_api.policy_file.plans import Plans
from admin_api.privacy_in_force import PrivacyInForce
from admin_api.query_log.cursors import BadAfter, BadCursor
from admin_api.query_log.reader import LogPage
from admin_api.query_log.unreadable import UnreadableBlocks
from admin_api.signed.files import Content, signed
from admin_api.signed.keys import load_key
from admin_api.signed.signer import Signer
from admin_api.sinks.sinks import LogSinks
from admin_api.statistics.rows import OTHER
from admin_api.store import migrating, tokens
from admin_api.store.roles import FIRST_ROLES, ROLES
from admin_api.store.store import Store
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subscriptions.feed.keeper import FeedKeeper
from admin_api.subscriptions.feed.opening import OpenedCatalogue
from admin_api.webhooks.hooks import hooks_of
from blocklists.feed.place import CurrentCatalogue, LoadedCatalogue
from blocklists.sources import compile_policy
from resolver.answering.explaining import Access, access_of
from resolver.config.control_schema import EVENTS
from resolver.config.policy_schema import Policy
from resolver.config.settings import ControlSettings, HostNamesSettings, LogSinkSettings, WorkerSettings
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from resolver.snapshot.journal_places import Position
from tests.unit.admin_api.migrated import Migrations
from tests.unit.bundled import bundled_catalogue

CALLERS: Mapping[str, tuple[str, ...]] = {
    **{role: (role,) for role in ROLES},
    "admin": FIRST_ROLES,  # as the first token has them
    "admin-alone": ("admin",),
    "investigating-viewer": ("viewer", "investigator"),
    "investigating-operator": ("operator", "investigator"),
    "hook-and-viewer": ("lease", "viewer"),
}
"""Roles of the tokens that `Served` has, by their keys there."""


class Said:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))

    warning = error = info


class BreakableAccess:
    """A store that can be taken away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.trouble: str | None = None

    @property
    def store(self) -> Store:
        if self.trouble:
            from admin_api.store.errors import StoreAway

            raise StoreAway(self.trouble)
        return self._store


@functools.cache
def _default_policy() -> PolicySnapshot:
    return policy_in_memory(*compile_policy(Policy().model_dump(mode="json"), bundled_catalogue()))


@functools.cache
def _default_access() -> Access:
    return access_of(WorkerSettings(private_names=("office.example", "portal.example")))


class SignsHere(Signer):
    """A signer that starts no process."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(None, state_dir)

    async def sign(self, kind: str, content: Content) -> dict[str, Any]:
        return signed(kind, content, load_key(None, self.state_dir, makes=self.makes_key))

    async def make_key(self) -> None:
        load_key(None, self.state_dir, makes=True)


class ReportsHere(EvidenceDesk):
    """A desk whose reports are made in this process."""

    async def _outcome(self, order: MakeEvidence) -> EvidenceMade | EvidenceNotSigned | EvidenceRefused:
        return await report(order, bundled_catalogue(), Said())  # type: ignore[arg-type]


class InForceAtOnce:
    """A policy keeper that needs no time."""

    def __init__(self) -> None:
        self.snapshot: PolicySnapshot | None = _default_policy()
        self.snapshot_revision = 1
        self.manifest_path: Path | None = None
        self.revision = self.whole_revision = 0
        self.in_force_since = datetime.now(UTC)
        self.trouble: str | None = None
        self.is_slow = False

    def changed(self) -> None:
        pass

    async def wait_until_in_force(self, revision: int) -> bool:
        self.revision = self.whole_revision = max(self.revision, revision)
        return not self.is_slow


class Elsewhere:
    """Statistics, query log and node, which have tests of their own."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}  # what is counted, by dimension

    async def summary(self, start: datetime, end: datetime) -> dict[str, int | None]:
        names = ("queries", "blocked", "cached", "forwarded", "failed", "refused", "monitored", "exempted", "clients")
        return dict.fromkeys(names, 0)

    async def top(self, by: str, start: datetime, end: datetime, limit: int) -> list[dict[str, Any]]:
        return [{"key": by, "rest": False, "blocked": 1, "monitored": 0, "exempted": 0}]

    async def series(self, step_seconds: int, start: datetime, end: datetime) -> list[dict[str, Any]]:
        return [{"at": start, "queries": 1, "blocked": 1, "monitored": 0, "exempted": 0}]

    async def breakdown(
        self, dimension: str, start: datetime, end: datetime, step_seconds: int | None
    ) -> list[dict[str, Any]]:
        self.broken_down = [*getattr(self, "broken_down", []), dimension]
        counts = {"blocked": 2, "monitored": 1, "exempted": 3}
        key = self.keys.get(dimension, "staff/acme")
        return [{"at": start, "key": key, "rest": key == OTHER, **counts, "last_at": start}]

    async def fold_whole(self, begin_anew: Callable[[], Awaitable[None]]) -> None:
        await begin_anew()

    async def fold(self) -> None:
        """All is folded."""

    async def begin_counters(self) -> None:
        self.begun = getattr(self, "begun", 0) + 1

    def dropped(self) -> dict[str, int]:
        return {"clients": 3}

    async def metrics(self) -> bytes:
        return b"# EOF\n"

    async def page(
        self,
        filters: Mapping[str, str],
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int,
        cursor: str | None,
        after: str | None = None,
        aliases: Mapping[str, frozenset[str]] | None = None,
    ) -> LogPage:
        if cursor is not None:
            raise BadCursor(cursor)
        if after is not None:
            raise BadAfter(after)
        return LogPage([], None)

    def request(self, list_id: int, revision: int) -> None:
        self.requested = [*getattr(self, "requested", []), list_id]

    def progress(self, list_id: int) -> dict[str, Any]:
        times = dict.fromkeys(("total_bytes", "started_at", "next_at"))
        return {"state": "idle", "received_bytes": 0, **times}

    def in_force(self) -> int:
        return 1

    async def flush(self, name: str | None, *, below: bool) -> int:
        return 0

    def reload_config(self) -> None:
        self.reloads = getattr(self, "reloads", 0) + 1

    async def status(self) -> NodeStatus:
        return NodeStatus((WorkerStatus(0, 1, 1, 1.0, None),))


@dataclass
class Served:
    """A running API."""

    port: int
    store: Store
    store_access: BreakableAccess
    policy: InForceAtOnce
    log: Said
    session: ClientSession
    store_folder: Path
    context: Context
    counted: dict[str, str]  # what the statistics tell of, by dimension
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: Any = None, *, role: str | None = "admin", **headers: str) -> Any:
        """A request; paths that do not begin with '/' are below /api/v1. Underscores in headers are dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {self.tokens[role]}")
        kind = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        url = self.url + (path if path.startswith("/") else f"/api/v1/{path}")
        return self.session.request(method, url, headers=sent, **kind)  # type: ignore[arg-type]

    async def get(self, path: str) -> Any:
        """The body of a GET that succeeds."""
        async with self.call("GET", path) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def status(self, method: str, path: str, body: Any = None, **more: Any) -> int:
        """The status alone, after a look at the form of errors."""
        async with self.call(method, path, body, **more) as response:
            await expect_problem(response)
            return response.status


async def expect_problem(response: ClientResponse) -> dict[str, Any]:
    """Whatever is no success is a problem document."""
    if response.status < 400:
        return {}
    assert response.content_type == "application/problem+json", await response.text()
    body: dict[str, Any] = await response.json()
    assert body["status"] == response.status
    assert body["title"]
    assert body["detail"]
    return body


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture(scope="session", autouse=True)
def _alembic_is_asked_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrating, "_upgrade", Migrations(migrating._upgrade))
        yield


@dataclass(frozen=True)
class Prepared:
    """The files of a store, and the tokens in it, by role."""

    files: dict[str, bytes]
    tokens: dict[str, str]


@pytest.fixture(scope="session")
def with_tokens(tmp_path_factory: pytest.TempPathFactory, _alembic_is_asked_once: None) -> Prepared:
    """A store with the tokens of CALLERS, which is made once and copied for each test."""
    folder = tmp_path_factory.mktemp("with-tokens")

    async def made() -> dict[str, str]:
        store = await Store.open(None, folder, Said())
        async with store.change("test") as change:
            made = {
                name: (await tokens.create(change, name=f"a-{name}", owner="tests", roles=roles))[1]
                for name, roles in CALLERS.items()
            }
        await store.close()
        return made

    # In a thread, where no loop runs.
    with ThreadPoolExecutor(1) as beside:
        made_tokens = beside.submit(asyncio.run, made()).result()
    return Prepared({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}, made_tokens)


@pytest.fixture
async def served(tmp_path: Path, with_tokens: Prepared) -> AsyncIterator[Served]:
    """The API, with the tokens of CALLERS."""
    log = Said()
    for name, content in with_tokens.files.items():
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_bytes(content)
    store = await Store.open(None, tmp_path, log)
    store_access, policy, elsewhere = BreakableAccess(store), InForceAtOnce(), Elsewhere()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    async def told(_: Position) -> None:
        """The workers, who have heard."""

    hook = {"url": "http://user:pass@127.0.0.1:9/x?k=1", "secret": "s", "events": EVENTS, "allow_private": True}
    outbox = Outbox(hooks_of([hook]))
    subjects = SubjectKeeper(store_access, tmp_path, told, log, history_days=1, outbox=outbox)
    keeping = asyncio.ensure_future(subjects.run())
    settings = ControlSettings(
        str(tmp_path),
        admin_port=port,
        allowed_hosts=("moatdns.corp.example",),
        log_sinks=(LogSinkSettings("https://logs.corp.example:8088/s3cret?k=1"),),
    )
    loaded = LoadedCatalogue(bundled_catalogue())
    current = CurrentCatalogue(loaded)
    plans = Plans(None, tmp_path, at_once=2, seconds=30)
    erasures = ClientErasures(store_access, tmp_path, log)
    context = Context(
        settings=settings,
        serves=Serves(),
        log_lacks=(),
        access=_default_access(),
        log=log,
        store_access=store_access,
        policy=policy,
        subjects=subjects,
        outbox=outbox,
        deliveries=Deliveries(store_access, outbox, log),
        restored=RestoredWatch(store_access, subjects.reload, log),
        erasures=erasures,
        persons=PersonErasures(store_access, settings, erasures, elsewhere, subjects, elsewhere.begin_counters, log),
        sinks=LogSinks(settings, store_access, log),
        audit_heads=HeadKeeper(store_access, tmp_path, log),
        evidence=ReportsHere(plans, SignsHere(tmp_path)),
        plans=plans,
        subscriptions=elsewhere,
        statistics=elsewhere,
        query_log=elsewhere,
        unreadable_blocks=UnreadableBlocks(log),
        node=elsewhere,
        privacy=PrivacyInForce(tmp_path, log),
        current=current,
        feed=FeedKeeper(settings, store_access, policy, current, OpenedCatalogue(loaded, loaded), log),
        host_names=HostNames(HostNamesSettings(), WorkerSettings(), log),
        state_dir=tmp_path,
        began=time.time(),
        config_problems=list,
    )
    serving = ApiServer(context, add_pages)
    await serving.start(listening)
    async with ClientSession() as session:
        api = Served(port, store, store_access, policy, log, session, tmp_path, context, elsewhere.keys)
        api.tokens.update(with_tokens.tokens)
        await asyncio.wait_for(subjects.loaded.wait(), 5)
        yield api
    await serving.stop()
    keeping.cancel()
    await asyncio.wait([keeping])
    await subjects.close()
    await store.close()
