"""Erasing a client from the query log over HTTP: told in the trail without its name, journalled, and taken up again."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from admin_api.query_log import files
from admin_api.query_log.erased import EVENT, ErasureNote, digest_of, read_erasures, told_in, write_erasures
from admin_api.store import audit
from resolver.telemetry.pseudonyms import DAY_SECONDS, SECRETS_FILE, PseudonymPeriod, What, new_period, write_periods
from tests.support.log_blocks import add_rows

from .conftest import Served
from .log_writer import names_left, posted, written

NOW = time.time()
GONE = "10.0.0.2"


def fill(state_dir: Path) -> None:
    """A query log of today, of two clients."""
    rows = [
        [NOW, client, "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0.0]
        for client, name in ((GONE, "secret.example"), ("10.0.0.1", "open.example"), (GONE, "secret.example"))
    ]
    add_rows(state_dir / files.FOLDER, files.day_of(NOW), rows)


async def erase(served: Served, body: Any, role: str = "admin") -> tuple[int, Any]:
    return await posted(served, "queries:erase", body, role)


async def test_a_client_is_erased_and_neither_the_trail_nor_the_journal_name_it(served: Served) -> None:
    fill(served.store_folder)
    digest = digest_of(served.store.audit_key, GONE)
    async with written(served):
        assert (await erase(served, {"client": GONE, "reason": "asked for"}, role="operator"))[0] == 403
        for body in ({"client": "nobody", "reason": "x"}, {"client": GONE, "reason": " "}, {"client": GONE}):
            assert (await erase(served, body))[0] == 422
        told = await erase(served, {"client": f"::ffff:{GONE}", "reason": "asked for"})
        assert told == (200, {"erased": digest, "queries": 2, "is_over": True})
        assert (await erase(served, {"client": "10.0.0.0/24", "reason": "again"}))[1]["queries"] == 0
    assert await names_left(served) == {"open.example"}
    row = (await served.get("audit?action=erase&limit=2"))["items"][1]
    assert (row["object"], row["after"]) == ("queries", {"erased": digest, "reason": "asked for"})
    assert GONE not in json.dumps(row)
    first = read_erasures(served.store_folder)[0]
    assert (first.digest, bool(first.done)) == (digest, True)
    assert next(facts["erased"] for event, facts in served.log.lines if event == EVENT) == digest


def row_of(at: float, address: str, identity: str | None, name: str) -> list[Any]:
    facts = [name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0.0, None]
    return [at, address, "default", *facts, identity]


def with_pseudonyms(state_dir: Path) -> list[PseudonymPeriod]:
    """Secrets of this period and the one before, and a query in each by the same person from the same address."""
    periods = [new_period(at, 7) for at in (NOW - 7 * DAY_SECONDS, NOW)]
    (state_dir / SECRETS_FILE).write_text(write_periods(periods))
    for at, period in zip((NOW - 7 * DAY_SECONDS, NOW), periods, strict=True):
        rows = [
            row_of(at, period.of("client", address), period.of("identity", f"{who}@corp.example"), name)
            for address, who, name in ((GONE, "ana", "secret.example"), ("10.0.0.1", "ben", "open.example"))
        ]
        add_rows(state_dir / files.FOLDER, files.day_of(at), rows)
    return periods


@pytest.mark.parametrize(
    ("what", "whom", "queries"),
    [
        ("client", GONE, 2),
        ("client", f"::ffff:{GONE}", 2),
        ("identity", "ana@corp.example", 2),
        ("identity", " ANA@corp.example", 2),  # as a certificate's, whatever its letter case
        ("identity", "ana@corp", 0),
        ("client", "10.0.0.0/24", 0),
    ],
)
async def test_who_has_a_pseudonym_in_each_period_is_erased_from_all_of_them(
    served: Served, what: What, whom: str, queries: int
) -> None:
    with_pseudonyms(served.store_folder)
    async with written(served):
        status, told = await erase(served, {what: whom, "reason": "asked for"})
    assert (status, told["queries"], told["is_over"]) == (200, queries, True)
    assert await names_left(served) == {"open.example"} | ({"secret.example"} if queries == 0 else set())
    row = (await served.get("audit?action=erase"))["items"][0]
    assert "ana" not in json.dumps(row).lower()
    journal = {note.digest for note in read_erasures(served.store_folder)}
    assert {told["erased"], *row["after"]["pseudonyms"]} == journal
    # An export of the trail tells a restore of all of them.
    assert {note.digest for note in told_in([json.dumps(row)])} == journal


@pytest.mark.parametrize("what", ["client", "identity"])
async def test_who_is_known_by_a_pseudonym_alone_is_erased_by_it_though_the_secrets_are_gone(
    served: Served, what: What
) -> None:
    before, period = with_pseudonyms(served.store_folder)
    (served.store_folder / SECRETS_FILE).unlink()
    whom = {"client": GONE, "identity": "ana@corp.example"}[what]
    async with written(served):
        first = (await erase(served, {what: period.of(what, whom), "reason": "asked for"}))[1]
        assert (first["queries"], await names_left(served)) == (1, {"secret.example", "open.example"})
        assert (await erase(served, {what: before.of(what, whom), "reason": "asked for"}))[1]["queries"] == 1
    assert await names_left(served) == {"open.example"}


async def test_a_person_is_erased_where_rows_have_no_address_too(served: Served) -> None:
    named = (("secret.example", "ana@corp.example"), ("open.example", "ben@corp.example"))
    rows = [row_of(NOW, "", identity, name) for name, identity in named]
    add_rows(served.store_folder / files.FOLDER, files.day_of(NOW), rows)
    async with written(served):
        assert (await erase(served, {"identity": "ana@corp.example", "reason": "asked for"}))[1]["queries"] == 1
        for body in ({"identity": "a", "client": GONE}, {"identity": " "}, {}):
            status, problem = await erase(served, {**body, "reason": "asked for"})
            assert (status, "identity" in json.dumps(problem)) == (422, True)
    assert await names_left(served) == {"open.example"}


async def test_where_the_secrets_cannot_be_read_nothing_is_said_to_be_over(served: Served) -> None:
    with_pseudonyms(served.store_folder)
    (served.store_folder / SECRETS_FILE).write_text("nonsense\n")
    async with written(served):
        status, problem = await erase(served, {"client": GONE, "reason": "asked for"})
    assert (status, SECRETS_FILE in problem["detail"], "nothing is erased" in problem["detail"]) == (503, True, True)
    async with served.store.read() as connection:
        assert not await audit.page(connection, limit=1, action="erase")
    assert not read_erasures(served.store_folder)


async def test_an_erasure_that_a_killed_process_left_is_done_at_the_next_start(served: Served) -> None:
    fill(served.store_folder)
    digest = digest_of(served.store.audit_key, GONE)
    write_erasures(served.store_folder, [ErasureNote(digest, "2026-11-27T03:00:00Z")])
    async with written(served):
        for _ in range(500):
            if read_erasures(served.store_folder)[0].done:
                break
            await asyncio.sleep(0.01)
    (done,) = read_erasures(served.store_folder)
    assert done.done
    assert await names_left(served) == {"open.example"}


async def test_what_the_journal_has_no_room_for_is_forgotten_counted_and_logged(served: Served) -> None:
    fill(served.store_folder)
    served.context.erasures._most = 2
    async with written(served):
        for number in range(4):
            assert (await erase(served, {"client": f"10.0.9.{number}", "reason": "asked for"}))[0] == 200
    key = served.store.audit_key
    assert [note.digest for note in read_erasures(served.store_folder)] == [
        digest_of(key, f"10.0.9.{number}") for number in (2, 3)
    ]
    assert served.context.erasures.forgotten == 2
    assert [facts["forgotten"] for event, facts in served.log.lines if event.startswith("the journal of")] == [1, 1]


async def test_where_no_query_log_is_kept_none_is_erased_from(served: Served) -> None:
    status, body = await erase(served, {"client": GONE, "reason": "asked for"})
    assert (status, "query_log.enabled" in body["detail"]) == (404, True)
