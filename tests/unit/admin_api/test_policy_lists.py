"""Lists that firewalls fetch: text with an ETag, by Bearer or Basic, of the policy in force."""

from __future__ import annotations

import asyncio
import base64
import itertools
import threading
import time
from typing import Any

import pytest

from admin_api.api.resources import policy_lists
from admin_api.firewall import closed_names
from admin_api.firewall.stopping import until_stopped
from blocklists.sources import compile_policy
from resolver.answering.explaining import access_of
from resolver.config.policy_schema import Policy
from resolver.config.settings import WorkerSettings
from resolver.policy.compiler import policy_in_memory
from resolver.wire.local_records import LocalRecord, PolicyLocalNames
from tests.unit.admin_api.conftest import Served
from tests.unit.bundled import bundled_catalogue

OF_US = "firewall/nftables?resolver=10.0.0.53"
RULES = OF_US + "&clients=10.0.0.0/8"

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


@pytest.mark.parametrize("path", ["policy/domains?set=anthropic", "policy/networks", RULES])
async def test_an_etag_that_still_holds_is_answered_without_the_text(served: Served, path: str) -> None:
    async with served.call("GET", path, role="viewer") as response:
        tag, cached = response.headers["ETag"], response.headers["Cache-Control"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        async with served.call("GET", path, role="viewer", If_None_Match=known) as response:
            assert (response.status, await response.read()) == (304, b""), known
            assert (response.headers["ETag"], response.headers["Cache-Control"]) == (tag, cached)
    for other in ('"other"', tag.strip('"'), f'"x{tag[1:]}'):
        assert await served.status("GET", path, role="viewer", If_None_Match=other) == 200


async def test_networks_are_those_of_vendors_that_are_closed_whole(served: Served) -> None:
    assert await lines(served, "policy/networks") == ["160.79.104.0/23", "2607:6bc0::/48"]


async def test_a_token_of_the_role_firewall_fetches_lists_also_as_a_password_and_nothing_else(served: Served) -> None:
    token = served.tokens["firewall"]
    for sent in (basic(token), f"Bearer {token}"):
        assert "claude.ai" in await lines(served, "policy/domains?set=anthropic", Authorization=sent)
        assert await lines(served, "policy/networks", Authorization=sent)
    for path in ("groups", "queries", "status", "policy", RULES):
        assert await served.status("GET", path, Authorization=f"Bearer {token}") == 403, path
        assert await served.status("GET", path, Authorization=basic(token)) == 401, path


@pytest.mark.parametrize(
    ("sent", "status"),
    [("viewer", 403), ("admin", 403), ("lease", 403), ("Basic !", 401), ("Basic", 401), (basic("moat_wrong"), 401)],
)
async def test_no_other_token_is_taken_as_a_password(served: Served, sent: str, status: int) -> None:
    header = basic(served.tokens[sent]) if sent in served.tokens else sent
    assert await served.status("GET", "policy/networks", Authorization=header) == status


async def test_a_password_is_asked_for_where_one_may_come_and_nowhere_else(served: Served) -> None:
    for path, is_asked in (("policy/domains", True), ("policy/networks", True), ("policy", False), (RULES, False)):
        async with served.call("GET", path, role=None) as response:
            assert response.status == 401
            assert ("Basic" in response.headers["WWW-Authenticate"]) is is_asked, path


async def test_who_fetches_lists_logs_in_to_no_page(served: Served) -> None:
    form = {"token": served.tokens["firewall"]}
    async with served.session.post(served.url + "/login", data=form, allow_redirects=False) as response:
        assert response.status == 403


async def test_rules_are_filled_in_by_the_config_and_by_what_is_asked(served: Served) -> None:
    async with served.call("GET", OF_US + "&clients=10.0.0.0/8,fd00::/8&vendor=anthropic&doh=192.0.2.8") as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        text = await response.text()
    for part in ("10.0.0.53/32", "10.0.0.0/8", "fd00::/8", "160.79.104.0/23", "192.0.2.8/32"):
        assert part in text, part
    assert "9.9.9.9" not in text
    async with served.call("GET", RULES + "&public_resolvers=true") as response:
        assert "9.9.9.9/32" in await response.text()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("firewall/ipchains", 404),
        ("firewall/nftables", 422),
        (OF_US, 422),
        (RULES + "&vendor=nobody", 422),
        (OF_US + "&clients=10.0.0.0/8;flush%20ruleset", 422),
        (OF_US + "&clients=0.0.0.0/0%0A", 200),
        (OF_US + "&clients=10.0.0.0/8%0Aflush", 422),
        (RULES + "&doh=dns.example", 422),
        ("firewall/pf?clients=10.0.0.0/8&resolver=10.0.0.0/8", 422),
        (RULES + "&doh=" + ",".join(["192.0.2.8"] * 201), 422),
        (RULES + "&colour=red", 422),
    ],
)
async def test_mistakes_in_what_rules_are_asked_for_are_told(served: Served, path: str, status: int) -> None:
    assert await served.status("GET", path, role="viewer") == status


HOUSE = {"name": "house", "block": ["bad.example", "=alone.example"], "allow": ["ok.claude.ai"]}


def in_force(served: Served, **policy: Any) -> None:
    """Have a policy in force, with its lists as the config file has them: no rule of theirs is in the store."""
    dumped = Policy.model_validate(policy).model_dump(mode="json")
    served.policy.snapshot = policy_in_memory(*compile_policy(dumped, bundled_catalogue()))


async def test_own_lists_add_names_and_open_names_wherever_their_rules_are_kept(served: Served) -> None:
    in_force(served, lists=[HOUSE])
    assert await lines(served, "policy/domains?set=house") == ["bad.example"]
    assert await lines(served, "policy/domains?set=lists&format=wildcard") == [
        "alone.example", "bad.example", "*.bad.example",
    ]  # fmt: skip
    closed = await lines(served, "policy/domains?set=anthropic&format=wildcard")
    assert "claude.ai" in closed
    assert "*.claude.ai" not in closed, "a list opens a name below"
    assert await lines(served, "policy/networks") == [], "nor is all of the vendor closed"


async def test_a_subscription_that_a_group_allows_opens_names_too(served: Served) -> None:
    feed = {"name": "feed", "url": "https://lists.example/feed.txt"}
    groups = [{"name": "staff", "networks": ["10.0.0.0/8"], "allow": ["feed"]}]
    dumped = Policy.model_validate({"lists": [feed], "groups": groups}).model_dump(mode="json")
    dumped["lists"][0]["block"] = ["ok.claude.ai"]
    served.policy.snapshot = policy_in_memory(*compile_policy(dumped, bundled_catalogue()))
    assert "claude.ai" in await lines(served, "policy/domains?set=anthropic")
    assert "claude.ai" not in await lines(served, "policy/domains?set=anthropic&group=staff")
    assert await served.status("GET", "policy/domains?set=feed", role="viewer") == 422


async def test_a_local_name_of_the_api_or_the_config_is_in_no_list_as_soon_as_it_is_there(served: Served) -> None:
    path, record = "policy/domains?set=anthropic&format=wildcard", LocalRecord("claude.ai", ("192.0.2.7",))
    in_force(served)
    assert {"claude.ai", "*.claude.ai"} <= set(await lines(served, path))
    assert await lines(served, "policy/networks")
    in_force(served)
    assert served.policy.snapshot is not None
    served.policy.snapshot.local = PolicyLocalNames((record,), "made by the API")
    assert not {"claude.ai", "*.claude.ai"} & set(await lines(served, path))
    assert await lines(served, "policy/networks") == []
    in_force(served)
    below = LocalRecord("*.intra.claude.ai", ("192.0.2.7",))
    object.__setattr__(served.context, "access", access_of(WorkerSettings(local=(below,))))
    found = await lines(served, path)
    assert "claude.ai" in found
    assert "*.claude.ai" not in found


async def test_a_list_is_that_of_the_policy_in_force_now(served: Served) -> None:
    in_force(served, lists=[HOUSE])
    assert await lines(served, "policy/domains?set=house") == ["bad.example"]
    in_force(served, lists=[HOUSE], groups=[{"name": "default", "block": ["lists"], "mode": "monitor"}])
    assert await lines(served, "policy/domains?set=house") == []


async def test_many_that_ask_for_one_list_have_it_made_once_and_those_beyond_are_told_to_come_back(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def closed_slowly(*given: Any) -> list[str]:
        made.append(given)
        time.sleep(0.3)
        return ["192.0.2.0/24"]

    monkeypatch.setattr(policy_lists, "closed_networks", closed_slowly)
    monkeypatch.setattr(policy_lists, "MOST_WAITING", 4)
    in_force(served)
    asked = [served.status("GET", "policy/networks", role="viewer") for _ in range(8)]
    assert sorted(await asyncio.gather(*asked)) == [200] * 4 + [503] * 4
    assert len(made) == 1
    assert served.context.plans.refused == 4
    assert await lines(served, "policy/networks") == ["192.0.2.0/24"]


async def test_the_work_on_a_list_ends_when_its_time_is_over(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def closed_for_ever(*given: Any) -> list[str]:
        try:
            return list(until_stopped(map(str, itertools.count()), given[-1]))
        finally:
            ended.set()

    monkeypatch.setattr(policy_lists, "closed_networks", closed_for_ever)
    monkeypatch.setattr(served.context.plans, "_seconds", 0.2)
    in_force(served)
    assert await served.status("GET", "policy/networks", role="viewer") == 503
    assert await asyncio.to_thread(ended.wait, 5)


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
    in_force(served, lists=[HOUSE])
    monkeypatch.setattr(closed_names, "MOST_RULES", 1)
    assert await served.status("GET", "policy/domains?set=house", role="viewer") == 409
