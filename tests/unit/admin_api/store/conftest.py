"""The store on both engines: each test that takes `store` or `url` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from admin_api.store import lists, rules
from admin_api.store.engine import StoreLimits
from admin_api.store.lists import ListRow
from admin_api.store.store import Store
from resolver.config.references import KnownReferences
from tests.support.postgres import shared_postgres

KNOWN = KnownReferences(
    sets=frozenset({"ai", "bypass", "lists"}),
    vendors=frozenset({"anthropic", "openai"}),
    services=frozenset({"anthropic/claude", "openai/chatgpt"}),
)

# What other work of the machine may not break; a test of the limits themselves says which it means.
PATIENT: dict[str, Any] = {
    "connect_seconds": 60.0,
    "statement_seconds": 120.0,
    "lock_seconds": 30.0,
    "row_lock_seconds": 60.0,
    "patience_seconds": 120.0,
}

OpenStore = Callable[..., Coroutine[Any, Any, Store]]


class SilentLog:
    """A log that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **facts: Any) -> None:
        """As it should be."""
        self.lines.append(("info", event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        """Somebody should look."""
        self.lines.append(("warning", event, facts))

    def error(self, event: str, **facts: Any) -> None:
        """Something did not happen."""
        self.lines.append(("error", event, facts))


@pytest.fixture
def log() -> SilentLog:
    """A log to look at."""
    return SilentLog()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str | None]:
    """`store.url` of an empty database: None for SQLite."""
    if request.param == "sqlite":
        yield None
        return
    server = shared_postgres()
    made = await server.new_database()
    yield made
    await server.drop(made)


@pytest.fixture
async def open_store(url: str | None, tmp_path: Path, log: SilentLog) -> AsyncIterator[OpenStore]:
    """Open the store, as often as needed; all are closed in the end."""
    async with AsyncExitStack() as opened:

        async def open_one(**limits: Any) -> Store:
            store = await Store.open(url, tmp_path / "state", log, StoreLimits(**{**PATIENT, **limits}))
            opened.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    """An open store with nothing in it."""
    return await open_store()


async def make_list(store: Store, name: str = "house", **sides: list[str]) -> ListRow:
    """A list with rules, made past the editing services."""
    async with store.change("tests") as change:
        row = await lists.create(change, name=name, kind="own")
        await rules.add(change, row, **sides)
        change.touches_policy()
        return await lists.get(change.connection, name)
