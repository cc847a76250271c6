"""What every call goes through: who may, what is understood, and how it is told when something is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re

import pytest

from admin_api.api.http import connections
from admin_api.api.http.auth import MOST_WRONG
from admin_api.api.people import PERSONS
from admin_api.api.route import Route, operation_name
from admin_api.api.routes import ADDRESS, DOMAIN, FORMAT, HOST, ID, ROUTES
from admin_api.store.roles import may

from .conftest import CALLERS, Served, expect_problem


def _example(path: str) -> str:
    path = (
        path.replace(ID, "ex-0123456789")
        .replace(ADDRESS, "192.0.2.1")
        .replace(DOMAIN, "nobody.example")
        .replace(HOST, "nobody.home.arpa")  # another's name asks for more
        .replace(FORMAT, "none")
    )
    return re.sub(r"\{name:.*\}(?=[/:]|$)|\{name:.*?\}+(?=/rules)", "nobody", path)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path[:40]}")
async def test_each_operation_asks_for_its_role_and_no_other(served: Served, route: Route) -> None:
    persons = PERSONS.get(operation_name(route))
    for role in (None, *CALLERS):
        path = _example(route.path)
        body = {} if route.body else None
        async with served.call(route.method, path, body, role=role) as response:
            await expect_problem(response) if response.status != 503 else None
            least = route.role
            if least is None:
                assert response.status not in (401, 403)
            elif role is None:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
            else:
                roles = CALLERS[role]
                sees_all = persons is None or not persons.all_of_it or persons.shown_to(roles)
                assert (response.status != 403) is (may(roles, least) and sees_all), role
                assert response.status != 401


async def test_a_host_that_is_not_ours_is_told_so_before_anything_else(served: Served) -> None:
    assert await served.status("GET", "lists", Host="evil.example") == 421
    assert await served.status("GET", "/health", Host="evil.example:80") == 421
    for host in ("localhost", "127.0.0.1:8053", "MOATDNS.corp.example", "[::1]:1"):
        assert await served.status("GET", "lists", Host=host) == 200


async def test_an_address_that_sends_wrong_tokens_is_not_listened_to_for_a_while(served: Served) -> None:
    wrong = "Bearer moat_00000000_" + "A" * 43
    for _ in range(MOST_WRONG):
        assert await served.status("GET", "lists", Authorization=wrong) == 401
    async with served.call("GET", "lists", Authorization=wrong) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 60
    assert await served.status("GET", "/health", role=None) == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"name": "a", "name": "b"}', 400),
        (b'{"name": NaN}', 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b'{"name": 3}', 422),
        (b'{"nmae": "a"}', 422),
        (b'{"name": "UPPER"}', 422),
        (b'{"name": "a", "block": ["com"]}', 422),
        (b'{"name": "a", "block": ["not a name"]}', 422),
        (b'{"name": "ai"}', 422),
        (b'{"name": "anthropic"}', 422),
        (b" " * (17 << 20), 413),
    ],
)
async def test_what_cannot_be_used_is_refused_and_changes_nothing(served: Served, body: bytes, status: int) -> None:
    assert await served.status("POST", "lists", body, Content_Type="application/json") == status
    assert not [item for item in (await served.get("lists"))["items"] if item["origin"] != "bundled"]


async def test_errors_point_at_what_is_wrong(served: Served) -> None:
    body = {"name": "a", "block": ["fine.example", "co.uk"], "allow": ["not a name"]}
    async with served.call("POST", "lists", body) as response:
        problem = await expect_problem(response)
    assert [error["pointer"] for error in problem["errors"]] == ["/block/1", "/allow/0"]
    assert "public suffix" in problem["errors"][0]["detail"]
    async with served.call("GET", "lists?limit=0&limt=3") as response:
        problem = await expect_problem(response)
    assert {error["pointer"] for error in problem["errors"]} == {"/limit", "/limt"}


async def test_only_json_is_taken(served: Served) -> None:
    assert await served.status("POST", "lists", b"name=a", Content_Type="application/x-www-form-urlencoded") == 415


async def test_unknown_paths_and_methods_are_problems_too(served: Served) -> None:
    assert await served.status("GET", "/nowhere", role=None) == 404
    async with served.call("DELETE", "/api/v1/status") as response:
        await expect_problem(response)
        assert response.status == 405
        assert "GET" in response.headers["Allow"]


async def test_a_store_that_is_away_is_told_as_such_and_shows_in_ready(served: Served) -> None:
    served.store_access.trouble = "no connection"
    async with served.call("GET", "lists") as response:
        await expect_problem(response)
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
    ready = await served.get("/ready")
    assert ready == {"status": "degraded", "why": ["no connection"]}


async def test_every_answer_carries_an_id_and_strict_headers_and_the_log_has_no_token(served: Served) -> None:
    seen = set()
    for path in ("lists", "/health", "/nowhere", "/docs", "/openapi.json"):
        async with served.call("GET", path) as response:
            seen.add(response.headers["X-Request-Id"])
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "script-src 'self'" in response.headers["Content-Security-Policy"]
            assert "Access-Control-Allow-Origin" not in response.headers
    assert len(seen) == 5
    logged = repr(served.log.lines)
    assert seen <= {facts.get("request_id") for _, facts in served.log.lines}
    for token in served.tokens.values():
        assert token not in logged
        assert token.split("_", 2)[2] not in logged


async def test_the_description_has_every_route_and_the_viewer_needs_nothing_from_elsewhere(served: Served) -> None:
    described = await served.get("/openapi.json")
    assert described["openapi"].startswith("3.1")
    operations = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert len(operations) == len(ROUTES)
    assert ("POST", "/api/v1/lists/{name}/rules:batchDelete") in operations
    for path in ("/docs", "/static/docs.js", "/static/docs.css"):
        async with served.call("GET", path, role=None) as response:
            assert response.status == 200
            assert "http" not in (await response.text()).replace("http-", "")


async def test_an_unexpected_error_is_a_500_that_tells_nothing_but_an_id(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(served.store_access), "store", property(lambda _: broken()))
    async with served.call("GET", "lists") as response:
        problem = await expect_problem(response)
        assert response.status == 500
        assert "secret" not in json.dumps(problem)
    assert "secret detail" in repr(served.log.lines)


async def _is_closed(reader: asyncio.StreamReader, within: float) -> bool:
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(within):
            return await reader.read(1) == b""
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HTTP/1.1\r\nHost: local", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"]
)
async def test_a_connection_that_stays_silent_is_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(sent)
    if sent.endswith(b"\r\n\r\n"):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
    assert await _is_closed(reader, 20.0)
    writer.close()
    assert await served.status("GET", "/health") == 200


@pytest.mark.slow
async def test_of_too_many_connections_the_most_silent_are_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.1)
    opened = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(30)]
    closed = await asyncio.gather(*(_is_closed(reader, 20.0) for reader, _ in opened[:10]), return_exceptions=True)
    assert closed == [True] * 10, "the oldest"
    with pytest.raises(TimeoutError):
        await _is_closed(opened[-1][0], 0.5)
    assert await served.status("GET", "/health") == 200
    for _, writer in opened:
        writer.close()
