"""The signing key, watched: which one it is stands in the audit trail, and a lost one is not replaced silently."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from admin_api.audit.signing_key import OBJECT, TOLD_FOR, SigningKeyWatch, is_key_known
from admin_api.signed.files import fingerprint_of
from admin_api.signed.keys import MADE, load_key
from admin_api.store.errors import StoreAway
from admin_api.store.store import Store
from admin_api.store.tables import audit
from blocklists.feed.minisign import SecretKey
from tests.unit.admin_api.conftest import BreakableAccess, Said, SignsHere

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


class Watched:
    """A state directory with its store, and the watch of a control process."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.file = folder / MADE
        self.access = BreakableAccess(store)
        self.now = START
        self.begin()

    def begin(self, configured: str | None = None) -> None:
        """Another control process."""
        self.log = Said()
        self.signer = SignsHere(self.folder)
        self.signer.configured = configured
        self.watch = SigningKeyWatch(self.access, self.signer, self.log, lambda: self.now)  # type: ignore[arg-type]

    def put(self, path: Path | None = None) -> str:
        """Put a new key into its file; gives its fingerprint."""
        key = SecretKey.generate()
        (path or self.file).write_text(key.text)
        (path or self.file).chmod(0o600)
        return fingerprint_of(key.public)

    async def rows(self) -> list[tuple[str, Any, Any]]:
        """Rows of the audit trail about keys."""
        query = select(audit.c.action, audit.c.before, audit.c.after).where(audit.c.object == OBJECT)
        async with self.store.read() as connection:
            found = list(await connection.execute(query.order_by(audit.c.id)))
        return [
            (row.action, json.loads(row.before)["fingerprint"] if row.before else None, json.loads(row.after))
            for row in found
        ]

    def said(self) -> list[str]:
        """Lines of the log."""
        return [event for event, _ in self.log.lines]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Watched]:
    store = await Store.open(None, tmp_path, Said())
    yield Watched(store, tmp_path)
    await store.close()


async def test_the_first_key_stands_in_the_trail_and_nothing_is_made_before_it_is_needed(node: Watched) -> None:
    await node.watch.look()
    assert not node.file.exists()
    assert node.signer.makes_key
    made = await node.signer.sign("x 1", {})
    await node.watch.look()
    ((action, was, facts),) = await node.rows()
    assert (action, was) == ("create", None)
    assert (facts["fingerprint"], facts["key"]) == (made["signature"]["fingerprint"], made["signature"]["key"])
    assert node.file.read_text().splitlines()[1] not in json.dumps([facts, node.log.lines]), "the secret half is told"
    assert node.signer.trouble is None
    for _ in range(3):
        await node.watch.look()
        node.begin()
    await node.watch.look()
    assert len(await node.rows()) == 1
    assert not node.signer.makes_key
    async with node.store.read() as connection:
        assert await is_key_known(connection)


@pytest.mark.parametrize("when", ["while it runs", "at a start"])
async def test_a_lost_key_is_made_anew_and_told_in_log_trail_and_for_a_day_as_a_trouble(
    node: Watched, when: str
) -> None:
    was = node.put()
    await node.watch.look()
    node.file.unlink()
    if when == "at a start":
        node.begin()
    await node.watch.look()
    new = fingerprint_of(load_key(None, node.folder).public)
    assert [(action, before, after["fingerprint"]) for action, before, after in await node.rows()] == [
        ("create", None, was),
        ("make anew", was, new),
    ]
    assert any("made anew" in event for event in node.said())
    for _ in range(2):
        assert node.signer.trouble is not None
        assert all(part in node.signer.trouble for part in (was, new, "2026-03-02T08:00:00Z"))
        node.begin()
        await node.watch.look()
    node.now += TOLD_FOR
    await node.watch.look()
    assert node.signer.trouble is None
    assert len(await node.rows()) == 2


async def test_the_old_key_that_is_put_back_ends_the_trouble(node: Watched) -> None:
    was = node.put()
    await node.watch.look()
    kept = node.file.read_text()
    node.file.unlink()
    await node.watch.look()
    assert node.signer.trouble is not None
    node.file.write_text(kept)
    await node.watch.look()
    assert node.signer.trouble is None
    assert [(action, after["fingerprint"]) for action, _, after in await node.rows()][-1] == ("replace", was)


async def test_a_key_that_an_admin_exchanges_is_noted_too(node: Watched) -> None:
    first = node.put()
    await node.watch.look()
    second = node.put()
    await node.watch.look()
    assert [(action, before, after["fingerprint"]) for action, before, after in await node.rows()][1:] == [
        ("replace", first, second)
    ]
    assert node.signer.trouble is None
    assert any("another one" in event for event in node.said())


async def test_a_key_that_the_config_names_is_never_made_and_its_absence_is_a_trouble_at_once(
    node: Watched, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere.key"
    node.put(path)
    node.begin(f"file:{path}")
    await node.watch.look()
    path.rename(tmp_path / "away")
    for _ in range(3):
        await node.watch.look()
    assert not path.exists()
    assert "is missing" in str(node.signer.trouble)
    assert node.said().count("the signing key is missing") == 1
    (tmp_path / "away").rename(path)
    await node.watch.look()
    assert node.signer.trouble is None
    assert len(await node.rows()) == 1


async def test_while_the_store_is_away_no_key_is_made(node: Watched) -> None:
    node.put()
    await node.watch.look()
    node.file.unlink()
    node.begin()
    node.access.trouble = "away"
    with pytest.raises(StoreAway):
        await node.watch.look()
    assert not node.file.exists()
    node.access.trouble = None
    node.now += timedelta(seconds=5)
    await node.watch.look()
    assert node.file.exists()
