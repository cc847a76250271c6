"""Lists that firewalls fetch: text with an ETag, by Bearer or Basic, of the policy in force."""

from __future__ import annotations

import base64

import pytest

from admin_api.api.resources import policy_lists
from tests.unit.admin_api.conftest import Served

pytestmark = pytest.mark.slow  # the policy is asked for each name of the catalogue


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"firewall:{token}".encode()).decode()


async def lines(served: Served, path: str, **headers: str) -> list[str]:
    async with served.call("GET", path, role="viewer", **headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/plain"
        found = (await response.text()).splitlines()
        assert response.headers["X-Moatdns-Lines"] == str(len(found))
        return found


async def test_names_come_plain_or_with_wildcards_and_by_set(served: Served) -> None:
    plain = await lines(served, "policy/domains?set=anthropic")
    assert "claude.ai" in plain
    assert plain == sorted(plain)
    assert not [name for name in plain if "openai" in name or "*" in name]
    assert {"claude.ai", "*.claude.ai"} <= set(await lines(served, "policy/domains?format=wildcard&set=anthropic"))
    assert {"claude.ai", "chatgpt.com"} <= set(await lines(served, "policy/domains"))
    # clouds are open by default, and what is open is in no list
    assert await lines(served, "policy/domains?set=clouds") == []


async def test_an_etag_that_still_holds_is_answered_without_the_list(served: Served) -> None:
    async with served.call("GET", "policy/domains?set=anthropic", role="viewer") as response:
        tag = response.headers["ETag"]
    async with served.call("GET", "policy/domains?set=anthropic", role="viewer", If_None_Match=tag) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == tag
    await lines(served, "policy/domains?set=openai", If_None_Match=tag)


async def test_networks_are_those_of_vendors_that_are_closed_whole(served: Served) -> None:
    assert await lines(served, "policy/networks") == ["160.79.104.0/23", "2607:6bc0::/48"]


async def test_a_token_may_come_as_a_password_where_lists_are_fetched_and_nowhere_else(served: Served) -> None:
    token = served.tokens["viewer"]
    assert "claude.ai" in await lines(served, "policy/domains?set=anthropic", Authorization=basic(token))
    assert await lines(served, "policy/networks", Authorization=basic(token))
    for path, text in (
        ("groups", basic(token)),
        ("policy/domains", basic("moat_wrong")),
        ("policy/domains", basic(served.tokens["lease"])),
        ("policy/domains", "Basic §"),
        ("policy/domains", "Basic"),
    ):
        sent = text.encode("ascii", "ignore").decode()
        assert await served.status("GET", path, role="viewer", Authorization=sent) in (401, 403), (path, text)


async def test_own_lists_add_and_open_names(served: Served) -> None:
    body = {"name": "house", "block": ["bad.example", "=alone.example"], "allow": ["ok.claude.ai"]}
    assert await served.status("POST", "lists", body) == 201
    # The snapshot of this fixture has no list: what it does not close is in no list, whatever the store says.
    assert await lines(served, "policy/domains?set=house") == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("policy/domains?set=nobody", 422),
        ("policy/domains?format=xml", 422),
        ("policy/domains?group=nobody", 404),
        ("policy/networks?group=nobody", 404),
        ("policy/networks?set=ai", 422),
    ],
)
async def test_what_there_is_not_is_told(served: Served, path: str, status: int) -> None:
    assert await served.status("GET", path, role="viewer") == status


async def test_with_too_many_rules_of_ones_own_there_is_no_list(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await served.status("POST", "lists", {"name": "house", "block": ["a.example", "b.example"]}) == 201
    monkeypatch.setattr(policy_lists, "MOST_RULES", 1)
    assert await served.status("GET", "policy/domains", role="viewer") == 409
