"""Leases and pauses over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import Served, expect_problem

ANA = {"identity": "ana", "ttl_seconds": 60}


async def put(served: Served, address: str, body: Any, role: str = "lease") -> tuple[int, dict[str, Any]]:
    async with served.call("PUT", f"leases/{address}", body, role=role) as response:
        await expect_problem(response)
        return response.status, await response.json()


def held(served: Served) -> dict[str, str]:
    return {address: lease.identity for address, lease in served.context.subjects.subjects.leases.items()}


async def test_a_device_has_its_addresses_in_one_call_and_loses_them_in_one(served: Served) -> None:
    status, body = await put(served, "10.0.0.1", {**ANA, "group": "default", "addresses": ["2001:DB8::1", "10.0.0.1"]})
    assert (status, body["addresses"]) == (201, ["10.0.0.1", "2001:db8::1"])
    assert held(served) == {"10.0.0.1": "ana", "2001:db8::1": "ana"}
    assert await served.status("DELETE", "leases/2001:db8::1?identity=ana", role="lease") == 204
    assert held(served) == {}
    assert await served.status("DELETE", "leases/10.0.0.1?identity=ana", role="lease") == 404


async def test_a_renewal_keeps_when_it_began_and_takes_what_the_device_left(served: Served) -> None:
    _, first = await put(served, "10.0.0.1", {**ANA, "addresses": ["10.0.0.2"]})
    status, again = await put(served, "10.0.0.1", {**ANA, "ttl_seconds": 120, "addresses": ["10.0.0.3"]})
    assert (status, again["created_at"]) == (200, first["created_at"])
    assert again["ends_at"] > first["ends_at"]
    assert held(served) == {"10.0.0.1": "ana", "10.0.0.3": "ana"}
    history = (await served.get("lease-history"))["items"]
    assert [(event["action"], event["address"]) for event in history] == [
        ("set", "10.0.0.3"), ("renewed", "10.0.0.1"), ("ended", "10.0.0.2"), ("set", "10.0.0.2"), ("set", "10.0.0.1"),
    ]  # fmt: skip


async def test_an_end_takes_effect_only_for_the_identity_it_names(served: Served) -> None:
    await put(served, "10.0.0.1", ANA)
    await put(served, "10.0.0.1", {**ANA, "identity": "ben"})
    assert await served.status("DELETE", "leases/10.0.0.1?identity=ana", role="lease") == 409
    assert await served.status("DELETE", "leases/10.0.0.1", role="lease") == 422
    assert held(served) == {"10.0.0.1": "ben"}
    assert await served.status("DELETE", "leases/10.0.0.1", role="operator") == 204


async def test_a_mapped_address_is_the_one_in_it(served: Served) -> None:
    await put(served, "::ffff:10.0.0.1", ANA)
    assert held(served) == {"10.0.0.1": "ana"}
    assert (await served.get("leases/10.0.0.1"))["identity"] == "ana"


@pytest.mark.slow
async def test_a_lease_that_is_over_is_noted_and_gone(served: Served) -> None:
    await put(served, "10.0.0.1", {**ANA, "ttl_seconds": 1})
    for _ in range(40):
        if not held(served):
            break
        await asyncio.sleep(0.1)
    assert (await served.get("leases"))["items"] == []
    assert (await served.get("lease-history?address=10.0.0.1&limit=1&reason=test"))["items"][0]["action"] == "expired"


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        ("10.0.0.1", {"identity": "ana"}, 422),
        ("10.0.0.1", {**ANA, "identity": " "}, 422),
        ("10.0.0.1", {**ANA, "ttl_seconds": 10**9}, 422),
        ("10.0.0.1", {**ANA, "group": "nobody"}, 422),
        ("10.0.0.1", {**ANA, "addresses": ["x"]}, 422),
        ("10.0.0.1", {**ANA, "addresses": [f"10.0.1.{n}" for n in range(17)]}, 422),
        ("10.0.0.1.5", ANA, 422),
        ("nobody", ANA, 404),
    ],
)
async def test_what_cannot_be_leased_is_refused(served: Served, address: str, body: Any, status: int) -> None:
    assert (await put(served, address, body))[0] == status
    assert held(served) == {}


async def test_there_are_no_more_leases_than_there_may_be(served: Served) -> None:
    object.__setattr__(served.context.settings, "most_leases", 2)
    object.__setattr__(served.context.settings, "longest_lease_seconds", 60)
    assert (await put(served, "10.0.0.1", {**ANA, "addresses": ["10.0.0.2"]}))[0] == 201
    assert (await put(served, "10.0.0.3", ANA))[0] == 409
    assert (await put(served, "10.0.0.1", {**ANA, "addresses": ["10.0.0.2", "10.0.0.3"]}))[0] == 409
    assert (await put(served, "10.0.0.1", ANA))[0] == 200
    assert (await put(served, "10.0.0.1", {**ANA, "addresses": ["10.0.0.3"]}))[0] == 200


async def test_a_device_has_no_more_addresses_than_it_may(served: Served) -> None:
    more = [f"10.0.1.{number}" for number in range(16)]
    assert (await put(served, "10.0.0.1", {**ANA, "addresses": more}))[0] == 422
    assert (await put(served, "10.0.1.0", {**ANA, "addresses": more}))[0] == 201


async def test_leases_are_listed_by_address_and_identity(served: Served) -> None:
    for number in range(3):
        await put(served, f"10.0.0.{number}", {**ANA, "identity": "ana" if number else "ben"})
    first = await served.get("leases?limit=2")
    rest = await served.get(f"leases?limit=2&cursor={first['next']}")
    assert [item["address"] for item in [*first["items"], *rest["items"]]] == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
    assert len((await served.get("leases?identity=ana"))["items"]) == 2


async def test_the_lease_role_sees_and_changes_nothing_else(served: Served) -> None:
    assert await served.status("GET", "leases", role="lease") == 403
    assert await served.status("POST", "exemptions", {}, role="lease") == 403
    assert await served.status("PUT", "leases/10.0.0.1", ANA, role="viewer") == 403


async def test_a_pause_watches_everyone_until_it_is_ended(served: Served) -> None:
    async with served.call("POST", "pauses", {"reason": "incident 7", "duration_seconds": 60}) as response:
        assert response.status == 201
        number = (await response.json())["id"]
    assert (await served.get("explain?name=claude.ai"))["verdict"] == "monitor"
    assert [item["reason"] for item in (await served.get("pauses"))["items"]] == ["incident 7"]
    assert await served.status("DELETE", f"pauses/{number}") == 204
    assert (await served.get("explain?name=claude.ai"))["verdict"] == "block"
    assert await served.status("DELETE", f"pauses/{number}") == 404


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "x"},
        {"reason": "", "duration_seconds": 1},
        {"reason": "x", "duration_seconds": 10**6},
        {"reason": "x", "expires_at": "2001-01-01T00:00:00Z"},
        {"reason": "x", "expires_at": "2999-01-01T00:00:00Z"},
        {"reason": "x", "expires_at": "9999-12-31T23:59:59-14:00"},
        {"reason": " ", "duration_seconds": 1},
        {"reason": "x", "duration_seconds": 1, "group": "nobody"},
    ],
)
async def test_a_pause_that_cannot_be_is_refused(served: Served, body: Any) -> None:
    assert await served.status("POST", "pauses", body) == 422
    assert (await served.get("pauses"))["items"] == []
