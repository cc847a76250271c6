"""A store, a folder of counter files, and a clock that a test sets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from admin_api.statistics.service import StatisticsService
from admin_api.store.store import Store
from resolver.config.settings import ControlSettings
from resolver.telemetry.counter_file import CounterFile
from resolver.telemetry.log import make_log
from tests.support.postgres import shared_postgres

NOON = 1_800_000_000 // 86400 * 86400 + 12 * 3600


class Worker:
    """Counts into a file, as a worker does."""

    def __init__(self, folder: Path) -> None:
        self.file = CounterFile.create(folder)
        self._cells: dict[str, int] = {}

    def count(self, *key: str | None, by: int = 1) -> None:
        text = json.dumps(key, separators=(",", ":"))
        cell = self._cells.get(text)
        if cell is None:
            made = self.file.intern(text)
            assert made is not None
            cell = self._cells[text] = made
        self.file.cells[cell] += by

    def answer(self, outcome: str, *, service: str | None = None, domain: str | None = None, by: int = 1) -> None:
        self.count("answer", outcome, "default", service, service, "A", "NOERROR", "udp", domain, by=by)

    def client(self, name: str, kind: str = "blocked", by: int = 1) -> None:
        self.count("client", name, kind, by=by)


class Counted:
    """A statistics service that can be thrown away and made anew, as by a crash."""

    def __init__(self, store: Store, state_dir: Path) -> None:
        self.store = store
        self.trouble = None
        self.now = float(NOON)
        self.folder = state_dir / "counters"
        self._settings: Any = ControlSettings(str(state_dir), identities="full")
        self.restart()

    def restart(self) -> None:
        self.service = StatisticsService(self, self._settings, make_log(), dict, clock=lambda: self.now)  # type: ignore[arg-type]

    def settings_changed(self, **changes: Any) -> None:
        """Begin anew with other settings."""
        self._settings = replace(self._settings, **changes)
        self.restart()

    def worker(self) -> Worker:
        return Worker(self.folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def counted(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Counted]:
    url = None if request.param == "sqlite" else await shared_postgres().new_database()
    store = await Store.open(url, tmp_path, make_log())
    yield Counted(store, tmp_path)
    await store.close()
    if url is not None:
        await shared_postgres().drop(url)
