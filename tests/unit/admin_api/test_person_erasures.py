"""Erasing a person over HTTP: who may, what is refused, what the trail says, and files that go with it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from admin_api.query_log import files
from admin_api.query_log.erased import matcher, person_digest, read_erasures, told_in
from admin_api.store.rewriting import rewrite
from resolver.snapshot.journal_places import FOLDER
from resolver.telemetry.query_block_lines import BlockClient
from tests.support.log_blocks import add_rows

from .conftest import Served, expect_problem
from .log_writer import names_left, posted, written

ANA, BEN = "Ana.Schmidt@corp.example", "ben@corp.example"
NOW = time.time()


@contextlib.asynccontextmanager
async def logged(served: Served) -> AsyncIterator[None]:
    """A query log of today, of both, from which can be erased."""
    rows = [
        [NOW, "10.0.0.2", "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0.0, None, who]
        for name, who in (("secret.example", ANA), ("other.example", ANA.lower()), ("open.example", BEN))
    ]
    add_rows(served.store_folder / files.FOLDER, files.day_of(NOW), rows)
    async with written(served):
        yield


async def erase(served: Served, identity: str, reason: str = "asked for", **more: str) -> tuple[int, Any]:
    return await posted(served, "people:erase", {"identity": identity, "reason": reason}, **more)


async def lease(served: Served, identity: str) -> None:
    assert await served.status("PUT", "leases/192.0.2.7", {"identity": identity, "ttl_seconds": 60}) in (200, 201)


async def test_a_person_is_erased_in_any_spelling_and_neither_trail_nor_files_name_them(served: Served) -> None:
    await lease(served, ANA)
    await lease(served, BEN)
    async with logged(served):
        assert (await erase(served, ANA, role="operator"))[0] == 403
        status, told = await erase(served, ANA.upper())
    assert (status, told["queries"], told["taken_out"]["lease_history"], told["is_over"]) == (200, 2, 1, True)
    assert await names_left(served) == {"open.example"}
    row = (await served.get("audit?action=erase"))["items"][0]
    assert (row["object"], row["after"]["erased"], row["after"]["reason"]) == ("people", told["erased"], "asked for")
    assert row["after"]["taken_out"] == told["taken_out"]
    journal = read_erasures(served.store_folder)
    assert [note.digest for note in journal] == [told["erased"]]
    assert journal[0].done
    assert [note.digest for note in told_in([json.dumps(row)])] == [told["erased"]]
    left = [path for path in served.store_folder.rglob("*") if path.is_file() and "journal" not in path.name]
    assert not [path for path in left if b"ana.schmidt" in path.read_bytes().lower()]
    journals = b"".join(path.read_bytes() for path in (served.store_folder / FOLDER).iterdir())
    assert b"ana.schmidt" not in journals.lower()
    assert BEN.encode() in journals


@pytest.mark.parametrize(
    ("identity", "reason", "where"),
    [
        ("~abcdefghijklmnop", "asked for", "/identity"),
        ("\u200b", "asked for", "/identity"),
        (" ", "asked for", "/identity"),
        (ANA, f"{ANA.lower()} has left", "/reason"),
        (ANA, "", "/reason"),
    ],
)
async def test_what_names_nobody_or_would_keep_the_name_is_refused(
    served: Served, identity: str, reason: str, where: str
) -> None:
    status, told = await erase(served, identity, reason)
    assert (status, {error["pointer"] for error in told["errors"]}) == (422, {where})
    assert read_erasures(served.store_folder) == []


async def test_who_has_a_lease_or_is_held_is_not_erased_and_nothing_else_is(served: Served) -> None:
    await lease(served, ANA)
    status, told = await erase(served, ANA)
    assert (status, "leases of 192.0.2.7 are theirs" in told["detail"]) == (409, True)
    assert len((await served.get("lease-history"))["items"]) == 1
    assert read_erasures(served.store_folder) == []


async def test_without_a_query_log_what_is_left_of_one_waits_in_the_journal(served: Served) -> None:
    status, told = await erase(served, ANA)
    assert (status, told["queries"], told["is_over"]) == (200, 0, True)
    add_rows(served.store_folder / files.FOLDER, files.day_of(NOW), [])
    (served.store_folder / files.FOLDER).mkdir(exist_ok=True)
    files.path_of(served.store_folder / files.FOLDER, files.day_of(NOW)).touch()
    status, told = await erase(served, ANA)
    assert (status, told["queries"], told["is_over"]) == (202, None, False)
    assert any(text.startswith("days of the query log") for text in told["not_reached"])
    assert not read_erasures(served.store_folder)[-1].done


def test_the_journal_finds_a_person_in_every_spelling() -> None:
    is_theirs = matcher(b"key", {person_digest(b"key", f"{ANA.lower()}.")})
    assert is_theirs(BlockClient("10.0.0.2", ANA))
    assert is_theirs(BlockClient("10.0.0.2", ANA.upper()))
    assert not is_theirs(BlockClient("10.0.0.2", BEN))
    assert not is_theirs(BlockClient("10.0.0.2", None))


def test_a_file_that_is_written_anew_has_no_octet_of_what_was_removed_and_says_what_keeps_some(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE texts (text TEXT)")
        connection.executemany("INSERT INTO texts VALUES (?)", [(f"secret-{number}" * 50,) for number in range(100)])
        connection.execute("DELETE FROM texts")
        reader = sqlite3.connect(file, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM texts").fetchone()
        assert "a reader kept" in str(rewrite(file, patience_seconds=0.0))
        reader.close()
        assert rewrite(file) is None
        assert not [path for path in tmp_path.iterdir() if b"secret-" in path.read_bytes()]
        connection.execute("BEGIN IMMEDIATE")
        assert rewrite(file, patience_seconds=0.0) == "database is locked"


async def export(served: Served, identity: str, **more: Any) -> tuple[int, list[dict[str, Any]]]:
    body = {"identity": identity, "reason": "asked for"}
    async with served.call("POST", "people:export", body, **more) as response:
        await expect_problem(response)
        if response.status != 200:
            return response.status, []
        assert response.content_type == "application/x-ndjson"
        return 200, [json.loads(line) for line in (await response.text()).splitlines()]


async def test_an_investigator_is_told_all_of_a_person_and_the_trail_says_who_asked(served: Served) -> None:
    await lease(served, ANA)
    await lease(served, BEN)
    await lease(served, ANA)
    async with logged(served):
        for role in ("viewer", "operator", "admin-alone", "lease", "firewall"):
            assert (await export(served, ANA, role=role))[0] == 403, role
        status, told = await export(served, ANA.lower(), role="investigating-viewer")
    assert status == 200
    assert told[0]["spellings"] == [ANA, ANA.lower()]
    kinds = [line["kind"] for line in told]
    assert [kinds.count(kind) for kind in ("lease", "lease_event", "query", "end")] == [1, 2, 2, 1]
    assert BEN not in json.dumps(told)
    row = (await served.get("audit?action=look"))["items"][0]
    assert (row["object"], row["after"]["identity"], row["after"]["reason"]) == ("people", ANA.lower(), "asked for")
    assert row["actor"].endswith("a-investigating-viewer")


async def test_an_export_is_bounded_and_says_what_it_lacks(served: Served) -> None:
    for _ in range(3):
        await lease(served, ANA)
    async with logged(served):
        made = await served.context.persons.export({"identity": ANA, "reason": "asked for"})
        told = [line async for line in replace(made, most=1).lines()]
        assert [line["kind"] for line in told if line["kind"] in ("lease", "lease_event", "query")] == [
            *("lease", "lease_event", "query"),
        ]
        assert told[-1]["cut"] == [
            "lease_event: more than the 1 that are told",
            "query: more than the newest 1, which are told",
        ]
        made = await served.context.persons.export({"identity": ANA, "reason": "asked for"})
        told = [line async for line in made.lines()]
    assert [line["kind"] for line in told].count("lease_event") == 3
    assert told[-1] == {"kind": "end", "cut": []}
