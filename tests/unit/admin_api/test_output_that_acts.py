"""Text of strangers on its way through the API: refused where it comes in, harmless where it goes out."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from admin_api.store.tables import exemptions
from tests.support.programs import MOATDNS

from .conftest import Served, expect_problem

ESCAPES = "Ana\x1b[1A\x1b[2K"
TITLE = "x\x1b]0;approved\x07"
TURNED = "Ana \u202eRuiz"
TWO_LINES = "fine\nex-0000 active: everything for everybody"
BAD = [ESCAPES, TITLE, TURNED, TWO_LINES, "a\x9b2Jb", "a\u2028b", "a\rb", "a\u200bb"]

EXEMPTION = {"subject": {"client": "10.1.2.3"}, "scope": ["ai"], "owner": "Ana", "reason": "r", "duration_seconds": 600}

WRITES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "exemptions", EXEMPTION, "/owner"),
    ("POST", "exemptions", EXEMPTION, "/reason"),
    ("POST", "exemptions", {**EXEMPTION, "ticket": "1"}, "/ticket"),
    ("POST", "exemptions", {**EXEMPTION, "subject": {"identity": "ana"}}, "/subject/identity"),
    ("PUT", "leases/10.1.2.3", {"identity": "ana", "ttl_seconds": 600}, "/identity"),
    ("POST", "pauses", {"reason": "r", "duration_seconds": 600}, "/reason"),
    ("POST", "tokens", {"name": "t", "role": "viewer", "owner": "Ana"}, "/owner"),
    ("POST", "tokens", {"name": "t", "role": "viewer", "owner": "Ana"}, "/name"),
    ("POST", "groups", {"name": "staff"}, "/name"),
    ("POST", "lists", {"name": "mine"}, "/name"),
    ("POST", "lists", {"name": "mine", "url": "https://lists.example/x"}, "/url"),
]


def with_text(body: dict[str, Any], pointer: str, text: str) -> dict[str, Any]:
    first, *rest = pointer.strip("/").split("/")
    return {**body, first: with_text(body[first], rest[0], text) if rest else text}


@pytest.mark.parametrize(("method", "path", "body", "pointer"), WRITES)
async def test_text_that_acts_is_refused_where_it_comes_in(
    served: Served, method: str, path: str, body: dict[str, Any], pointer: str
) -> None:
    for bad in BAD:
        async with served.call(method, path, with_text(body, pointer, bad)) as response:
            assert response.status == 422, (bad, await response.text())
            told = await expect_problem(response)
            assert [error["pointer"] for error in told["errors"]] == [pointer]
            assert acting(await response.text()) == []


async def test_a_reason_to_deny_or_revoke_cannot_act_either(served: Served) -> None:
    async with served.call("POST", "exemptions", EXEMPTION) as response:
        number = (await response.json())["id"]
    for action in ("deny", "revoke"):
        async with served.call("POST", f"exemptions/{number}:{action}", {"reason": ESCAPES}) as response:
            assert (response.status, (await response.json())["errors"][0]["pointer"]) == (422, "/reason")
    async with served.call(
        "POST", f"exemptions/{number}:renew", {"reason": TWO_LINES, "duration_seconds": 900}
    ) as response:
        assert (response.status, (await response.json())["errors"][0]["pointer"]) == (422, "/reason")


async def test_a_description_may_have_lines_and_no_escapes(served: Served) -> None:
    assert await served.status("POST", "groups", {"name": "staff", "description": "one\ntwo"}) == 201
    assert await served.status("POST", "groups", {"name": "other", "description": ESCAPES}) == 422
    body = {"policy": {"lists": [], "groups": [{"name": "default"}, {"name": "staff", "description": TURNED}]}}
    assert await served.status("POST", "policy:plan", body) == 422


async def old_row(served: Served) -> str:
    """An exemption as an earlier version took it."""
    async with served.call("POST", "exemptions", EXEMPTION) as response:
        number: str = (await response.json())["id"]
    async with served.store.change("test") as change:
        await change.connection.execute(
            update(exemptions).values(owner=ESCAPES, reason=f"=cmd|'x'!A1{TWO_LINES}{TITLE}{TURNED}")
        )
    return number


def acting(text: str) -> list[str]:
    return [letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")]


async def moatdns(served: Served, *words: str) -> tuple[str, str]:
    """What a command shows on stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        MOATDNS,
        *words,
        "--url",
        served.url,
        env={**os.environ, "MOATDNS_TOKEN": served.tokens["admin"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return out.decode(), err.decode()


@pytest.mark.slow
async def test_what_an_earlier_version_took_does_nothing_to_a_terminal(served: Served) -> None:
    number = await old_row(served)
    out, _ = await moatdns(served, "exemption", "list")
    assert acting(out) == ["\n"]
    assert out.startswith(f"{number} active: ai for client 10.1.2.3")
    assert r"Ana\u{1b}[1A\u{1b}[2K" in out
    shown, _ = await moatdns(served, "exemption", "show", number)
    assert set(acting(shown)) == {"\n"}
    as_json, _ = await moatdns(served, "exemption", "list", "--json")
    assert set(acting(as_json)) == {"\n"}


async def test_what_an_earlier_version_took_goes_out_harmless_by_the_api(served: Served) -> None:
    number = await old_row(served)
    for path in (f"exemptions/{number}", "exemptions", "audit", "reports/exemptions"):
        async with served.call("GET", path) as response:
            assert acting(await response.text()) == [], path
            assert response.status == 200
    assert (await served.get(f"exemptions/{number}"))["owner"] == ESCAPES
    now = datetime.now(UTC)
    window = f"?format=csv&from={(now - timedelta(1)):%Y-%m-%dT%H:%M:%SZ}&to={(now + timedelta(1)):%Y-%m-%dT%H:%M:%SZ}"
    async with served.call("GET", f"reports/exemptions{window}") as response:
        table = await response.text()
    assert set(acting(table)) == {"\r", "\n"}
    assert len(table.splitlines()) == 2
    assert ",=cmd" not in table and "'=cmd" in table
