"""Queries of the last days that another catalogue would have blocked, from a real query log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin_api.policy_file.growth import NEWS, newly_blocked
from admin_api.policy_file.replay import asked_since
from admin_api.query_log import files
from admin_api.store import documents
from blocklists.sources import compile_policy
from resolver.config.policy_schema import Policy
from resolver.policy.compiler import policy_in_memory
from resolver.policy.moments import End
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Exemption, Subjects
from resolver.snapshot.clocks import now as moment
from tests.support.log_blocks import add_rows
from tests.support.old_query_log import add_old_rows
from tests.unit.bundled import bundled_catalogue

from .browser import Browser
from .conftest import Served

LISTS = [{"name": "house", "block": ["blocked.example"], "allow": ["poe.com"]}]


def policy(*block: str, lists: bool = True) -> PolicySnapshot:
    groups = [{"name": "default", "block": [*block, *(["house"] if lists else [])]}]
    plain = Policy.model_validate({"lists": LISTS if lists else [], "groups": groups}).model_dump(mode="json")
    return policy_in_memory(*compile_policy(plain, bundled_catalogue()))


def asked(state_dir: Path, at: datetime, client: str | None, name: str, times: int = 1) -> None:
    """Write rows of the query log."""
    row: list[Any] = [at.timestamp(), client, "default", name, "A", "NOERROR", "allow", *[None] * 4, "udp", 0.1]
    for add, some in ((add_old_rows, times // 2), (add_rows, times - times // 2)):  # as an update has it
        if some:
            add(state_dir / files.FOLDER, files.day_of(at.timestamp()), [row] * some)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The state directory of a node with some queries in its log."""
    now = datetime.now(UTC)
    for days in (0, 2, 9):
        asked(tmp_path, now - timedelta(days=days, seconds=1), "10.0.0.1", "openrouter.ai.", 3)
    asked(tmp_path, now, "10.0.0.2", "openrouter.ai.")
    asked(tmp_path, now, "10.0.0.3", "groq.com.", 2)  # who holds an exemption
    for name in ("poe.com.", "chatgpt.com.", "blocked.example.", "innocent.example."):
        asked(tmp_path, now, "10.0.0.2", name, 50)
    asked(tmp_path, now, None, "openrouter.ai.", 7)
    asked(tmp_path, now, "10.0.0.0/24", "openrouter.ai.", 7)
    return tmp_path


@pytest.mark.slow
def test_what_only_the_new_catalogue_blocks_is_counted_by_queries_clients_and_services(log: Path) -> None:
    found = asked_since(log, datetime.now(UTC) - timedelta(days=7))
    now = moment()
    held = Exemption("ex-1", "client", ("10.0.0.3",), ("resellers",), now.wall - 1, End.at(now.wall + 60, now))
    for after in (policy("ai"), policy("ai", lists=False)):  # what a list allows stays out, whichever has the list
        forecast = newly_blocked(found, policy("vendors"), after, Subjects([held]), now)
        assert (forecast.queries, forecast.clients) == (7, 2)
        assert forecast.services == (("openrouter/openrouter", 7),)
    nothing = newly_blocked(found, policy("ai"), policy("ai"), Subjects(), now)
    assert (nothing.queries, nothing.clients, nothing.services) == (0, 0, ())


@pytest.mark.slow
async def test_the_catalogue_and_its_page_tell_it(served: Served) -> None:
    assert (await served.get("catalogue"))["news"] is None
    news = {"at": datetime.now(UTC).isoformat(), "waits": False, "days": 7, "logged": 1234, "queries": 77, "clients": 2}
    async with served.store.change("test") as change:
        rest = {"services": [["openrouter/openrouter", 77]], "cannot_show": ["the log has hits only"]}
        await documents.put(change.connection, NEWS, {**news, **rest})
    told = (await served.get("catalogue"))["news"]
    assert (told["queries"], told["services"]) == (77, [{"service": "openrouter/openrouter", "queries": 77}])
    page, _ = await (await Browser.log_in(served, "viewer")).get("/catalogue")
    assert 'would have blocked <data value="77">77</data> more, of <data value="2">2</data> clients' in page
    assert "But the log has hits only." in page


@pytest.mark.slow
def test_what_cannot_be_read_of_the_log_is_told(log: Path) -> None:
    start = datetime.now(UTC) - timedelta(days=7)
    whole = asked_since(log, start)
    assert (whole.cannot_show, whole.unreadable) == ([], [])
    folder = log / files.FOLDER
    (day, *_) = files.days(folder)
    with closing(sqlite3.connect(files.path_of(folder, day))) as connection, connection:
        connection.execute("UPDATE blocks SET packed = x'00' WHERE id = (SELECT max(id) FROM blocks)")
        (block,) = connection.execute("SELECT max(id) FROM blocks").fetchone()
    files.path_of(folder, (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%d")).write_bytes(b"no database" * 9)
    found = asked_since(log, start)
    assert found.unreadable == [(day, block)]
    assert found.queries < whole.queries
    unread, damaged = found.cannot_show
    assert unread.endswith("cannot be read")
    assert damaged.endswith(f"queries, of {day}")
