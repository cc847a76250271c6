"""The inbox over a real store and the default policy: what workers tell goes in, what enough clients ask for stays."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from admin_api.outbox.receivers import Outbox
from admin_api.store import unlisted
from admin_api.store.errors import StoreAway
from admin_api.store.store import Store
from admin_api.unlisted.inbox import Inbox
from admin_api.unlisted.sketch import DailyKey
from admin_api.webhooks.hooks import hooks_of
from blocklists.sources import compile_policy
from resolver.config.policy_schema import Policy
from resolver.config.settings import UnlistedSettings
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from resolver.telemetry.query_events import UNLISTED_HEAD
from resolver.wire.names import key_of, parse_name
from tests.unit.bundled import bundled_catalogue
from tests.unit.doubles import Said, SteadyAccess

_NOON = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


class _Policy:
    """A policy in force, which a test may replace."""

    def __init__(self) -> None:
        self.put()

    def put(self, *block: str) -> None:
        """Have these names in an own list beside the catalogue."""
        lists = [{"name": "house", "block": list(block)}] if block else []
        plain = Policy.model_validate({"lists": lists}).model_dump(mode="json")
        self.snapshot: PolicySnapshot | None = policy_in_memory(*compile_policy(plain, bundled_catalogue()))


class Node:
    """An inbox with its store, a clock that a test advances, and hooks that want to know."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.store = store
        self.now = _NOON
        self.policy = _Policy()
        hook = {"url": "https://hooks.example/", "secret": "s", "events": ["unlisted.new"], "allow_private": False}
        self.outbox = Outbox(hooks_of([hook]))
        self.inbox = Inbox(
            SteadyAccess(store),  # type: ignore[arg-type]
            self.policy,  # type: ignore[arg-type]
            self.outbox,
            bundled_catalogue(),
            UnlistedSettings(enabled=True, **settings),
            Said(),  # type: ignore[arg-type]
            clock=lambda: self.now,
            new_key=lambda: DailyKey(b"a key under which no bits here fall together"[:32]),
        )

    def see(
        self, name: str, *clients: str, near: bool = False, target: str | None = None, address: str = "c0000201"
    ) -> None:
        """Have each client's query for a name forwarded."""
        targets = [] if target is None else [_key(target)]
        rows = [["seen", _key(name), client, 1, int(near), targets, [address]] for client in clients or ("10.0.0.1",)]
        self.inbox.take(UNLISTED_HEAD + b"".join(json.dumps(row).encode() + b"\n" for row in rows))

    async def rows(self) -> dict[str, unlisted.UnlistedRow]:
        """The entries, once all that is due is written."""
        await self.inbox.write()
        async with self.store.read() as connection:
            page = await unlisted.page(connection, status=None, contains=None, least_clients=1, limit=1000, after=None)
        return {row.domain: row for row in page}

    async def messages(self) -> list[dict[str, Any]]:
        """Messages that wait for hooks."""
        from admin_api.store.webhooks import due

        async with self.store.read() as connection:
            hook = self.outbox.receivers[0].key
            return [json.loads(row.body) for row in await due(connection, hook, datetime.now(UTC), 100)]


def _key(name: str) -> str:
    return key_of(parse_name(name)).decode("latin-1")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    one = await Store.open(None, tmp_path, Said())  # type: ignore[arg-type]
    yield one
    await one.close()


@pytest.fixture
async def node(store: Store) -> AsyncIterator[Node]:
    one = Node(store)
    await one.inbox.open()
    yield one


_THREE = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


@pytest.mark.slow
async def test_a_domain_is_kept_from_three_clients_on_and_hooks_are_told_once(node: Node) -> None:
    node.see("api.brandnewgpt.ai", *_THREE[:2])
    assert await node.rows() == {}
    node.see("chat.brandnewgpt.ai", _THREE[2])
    row = (await node.rows())["brandnewgpt.ai"]
    assert (row.status, row.clients, row.queries) == ("new", 3, 3)
    assert row.hosts == ("api.brandnewgpt.ai", "chat.brandnewgpt.ai")
    node.see("api.brandnewgpt.ai", "10.0.0.4")
    row = (await node.rows())["brandnewgpt.ai"]
    assert (row.clients, row.queries, row.days) == (4, 4, (("2026-11-26", 4, 4),))
    (message,) = await node.messages()
    assert (message["type"], message["data"]["names"][0]["domain"]) == ("unlisted.new", "brandnewgpt.ai")


@pytest.mark.slow
async def test_neither_innocent_nor_listed_nor_local_names_are_kept(store: Store) -> None:
    node = Node(store, local=("corp-ai.com",))
    await node.inbox.open()
    names = ("www.plain-shop.com", "claude.ai", "api.openai.com", "llm.corp-ai.com", "gpt.google.com", "gpt-printer")
    for name in (*names, "2.0.0.127.in-addr.arpa", "gpt.notatopleveldomain"):
        node.see(name, *_THREE)
    assert await node.rows() == {}


@pytest.mark.slow
async def test_what_fewer_clients_ask_for_is_forgotten_with_the_day_and_the_key(node: Node) -> None:
    node.see("api.brandnewgpt.ai", *_THREE[:2])
    node.now += 86_400
    node.see("api.brandnewgpt.ai", _THREE[2])
    assert await node.rows() == {}


@pytest.mark.slow
async def test_counts_go_on_over_days_and_restarts(node: Node) -> None:
    node.see("api.brandnewgpt.ai", *_THREE)
    await node.rows()
    again = Node(node.store)
    await again.inbox.open()
    again.now += 86_400
    again.see("api.brandnewgpt.ai", "10.0.0.9")
    row = (await again.rows())["brandnewgpt.ai"]
    assert (row.queries, row.clients) == (4, 3)
    assert row.days == (("2026-11-26", 3, 3), ("2026-11-27", 1, 1))
    assert await again.messages() == await node.messages(), "it is not new any more"


@pytest.mark.slow
async def test_where_no_client_is_told_every_domain_counts_one(store: Store) -> None:
    node = Node(store, clients=1)
    await node.inbox.open()
    row = ["seen", _key("api.brandnewgpt.ai"), None, 7, 0, [], []]
    node.inbox.take(UNLISTED_HEAD + json.dumps(row).encode() + b"\n")
    found = (await node.rows())["brandnewgpt.ai"]
    assert (found.clients, found.queries) == (1, 7)


@pytest.mark.slow
async def test_what_has_no_evidence_is_forgotten_hourly(node: Node) -> None:
    for number in range(50):
        node.see(f"www.plain-shop-{number}.com", *_THREE)
    node.see("api.brandnewgpt.ai")
    await node.rows()
    node.see("www.plain-shop-3.com", *_THREE)
    assert node.inbox.watched == 2
    node.now += 3600
    await node.rows()
    assert node.inbox.watched == 1


@pytest.mark.slow
async def test_the_table_is_bounded_and_what_does_not_go_in_is_counted(store: Store) -> None:
    node = Node(store, most_names=100)
    await node.inbox.open()
    for number in range(130):
        node.see(f"www.plain-shop-{number}.com")
    assert node.inbox.dropped == Counter({"unlisted_names": 30})


@pytest.mark.slow
async def test_of_too_many_entries_new_ones_with_the_least_evidence_go(store: Store) -> None:
    node = Node(store, most_kept=10)
    await node.inbox.open()
    for number in range(10):
        node.see(f"api.gpt-llm-{number}.ai", *_THREE)
    await node.rows()
    node.see("chat.brandnew.chat", *_THREE)
    rows = await node.rows()
    assert len(rows) == 10
    assert "brandnew.chat" not in rows
    assert node.inbox.dropped["unlisted_kept"] == 1


@pytest.mark.slow
async def test_a_domain_that_a_rule_matches_by_now_is_no_longer_new(node: Node) -> None:
    node.see("api.brandnewgpt.ai", *_THREE)
    await node.rows()
    node.policy.put("brandnewgpt.ai")
    node.now += 3600
    assert await node.rows() == {}


@pytest.mark.slow
async def test_a_name_that_leads_to_a_listed_one_or_shares_its_address_shows_so(node: Node) -> None:
    node.see("www.plain-shop.com", *_THREE, target="claude.ai")
    listed = ["listed", _key("claude.ai"), ["c6336401"]]
    node.inbox.take(UNLISTED_HEAD + json.dumps(listed).encode() + b"\n")
    node.see("www.brandnew.chat", *_THREE, address="c6336401")
    rows = await node.rows()
    assert ("alias", "claude.ai (anthropic/claude)", 40) in rows["plain-shop.com"].evidence
    assert ("address", "claude.ai", 15) in rows["brandnew.chat"].evidence


@pytest.mark.slow
async def test_an_address_that_everybody_shares_says_nothing(node: Node) -> None:
    listed = ["listed", _key("claude.ai"), ["c6336401"]]
    node.inbox.take(UNLISTED_HEAD + json.dumps(listed).encode() + b"\n")
    for number in range(9):
        node.see(f"www.plain-shop-{number}.com", *_THREE, address="c6336401")
    node.see("www.brandnew.chat", *_THREE, address="c6336401")
    row = (await node.rows())["brandnew.chat"]
    assert [kind for kind, _, _ in row.evidence] == ["top-level"]


@pytest.mark.slow
async def test_clients_that_ask_for_listed_names_within_seconds_are_evidence(node: Node) -> None:
    for number in range(300):
        node.see(f"www.plain-shop-{number}.com", f"10.0.1.{number % 250}", near=number % 50 == 0)
    for client in ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"):
        node.see("edge.monikaworks.com", client, near=True)
    rows = await node.rows()
    assert set(rows) == {"monikaworks.com"}
    ((kind, what, points),) = rows["monikaworks.com"].evidence
    assert (kind, points) == ("company", 40) if points == 40 else points >= 20
    assert "100 %" in what


@pytest.mark.slow
async def test_a_decided_domain_whose_rule_is_gone_is_new_again(node: Node) -> None:
    node.see("api.brandnewgpt.ai", *_THREE)
    await node.rows()
    async with node.store.change("token:t") as change:
        row = await unlisted.get(change.connection, "brandnewgpt.ai")
        await unlisted.decide(change, row, "block", rule="brandnewgpt.ai", in_list="unlisted")
    node.see("api.brandnewgpt.ai", *_THREE)
    assert (await node.rows())["brandnewgpt.ai"].status == "blocked", "queries were on their way"
    node.now = datetime.now(UTC).timestamp() + 3600
    node.see("api.brandnewgpt.ai", *_THREE)
    assert (await node.rows())["brandnewgpt.ai"].status == "new"


@pytest.mark.slow
async def test_names_of_the_day_before_are_counted_after_midnight_too(node: Node) -> None:
    node.see("api.brandnewgpt.ai", *_THREE)
    assert (await node.rows())["brandnewgpt.ai"].queries == 3
    node.now = _NOON + 86_400
    node.see("api.brandnewgpt.ai", *_THREE, "10.0.0.4")
    row = (await node.rows())["brandnewgpt.ai"]
    assert (row.queries, [of for of, _, _ in row.days]) == (7, ["2026-11-26", "2026-11-27"])


@pytest.mark.slow
async def test_the_store_has_no_client_and_no_sketch(node: Node, tmp_path: Path) -> None:
    node.see("api.brandnewgpt.ai", *_THREE)
    await node.rows()
    with sqlite3.connect(f"file:{tmp_path}/moatdns.sqlite?mode=ro", uri=True) as raw:
        text = "\n".join(raw.iterdump())
    assert "brandnewgpt.ai" in text
    assert not any(client in text for client in _THREE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b"[1]\n", b'["seen"]\n', b'["seen", 1, "c", 1, 0, [], []]\n', b'["seen","\\u0100","c",1,0,[],[]]\n',
     b'["seen","\\u0009ab","c",1,0,[],[]]\n', b'["seen","\\u0002ai\\u0003gpt","c",1,0,[7],["zz"]]\n', b"[" * 100_000],
)  # fmt: skip
async def test_what_is_no_name_is_passed_over(node: Node, octets: bytes) -> None:
    node.inbox.take(UNLISTED_HEAD + octets)
    assert await node.rows() == {}


@pytest.mark.slow
async def test_while_the_store_is_away_nothing_is_lost(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.see("api.brandnewgpt.ai", *_THREE)

    def away() -> Any:
        raise StoreAway("away")

    with monkeypatch.context() as patched:
        patched.setattr(node.store, "count", away)
        with pytest.raises(StoreAway):
            await node.inbox.write()
    assert (await node.rows())["brandnewgpt.ai"].queries == 3
