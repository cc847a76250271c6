"""From the store into force: small changes as layers, large ones by a child; what goes wrong keeps the old one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from admin_api.compiling import keeper as keeping
from admin_api.compiling import stacking
from admin_api.compiling.keeper import Keeper, PolicyNote
from admin_api.editing import groups, lists, local_names
from admin_api.editing import rules as rules_editing
from admin_api.store import lists as store_lists
from admin_api.store.store import Store
from blocklists.feed.place import CurrentCatalogue, LoadedCatalogue
from blocklists.sources import known_references
from resolver.config.file_policy import content_path
from resolver.errors import MoatdnsError
from resolver.policy.decision import Verdict
from resolver.snapshot.manifests import Manifest
from resolver.snapshot.snapshot_file import open_snapshot
from resolver.telemetry.log import make_log
from resolver.wire.names import key_of, parse_name
from tests.unit.bundled import bundled_catalogue

CATALOGUE = bundled_catalogue()
BY = {"known": known_references(CATALOGUE), "actor": "test"}


class Node:
    """A store, a keeper, and workers that take what is published."""

    def __init__(self, store: Store, state_dir: Path) -> None:
        self.store = store
        self.trouble = None
        self.state_dir = state_dir
        self.published: list[Manifest] = []
        self.refuses = False
        self.keeper = self.new_keeper()
        self.task: asyncio.Task[None] | None = None

    def new_keeper(self) -> Keeper:
        current = CurrentCatalogue(LoadedCatalogue(CATALOGUE))
        return Keeper(self, self.state_dir, current, self.publish, make_log(), url=None)  # type: ignore[arg-type]

    async def publish(self, manifest: Manifest) -> None:
        if self.refuses:
            raise MoatdnsError("the workers do not take it")
        open_snapshot(manifest)  # as workers do
        self.published.append(manifest)

    def start(self) -> None:
        self.task = asyncio.create_task(self.keeper.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
        await self.keeper.close()

    async def in_force(self, revision: int) -> None:
        self.keeper.changed()
        assert await self.keeper.wait_until_in_force(revision), self.keeper.trouble

    def blocks(self, name: str, client: str = "10.0.0.1") -> bool:
        """By what was published last, opened anew."""
        policy = open_snapshot(self.published[-1])
        view, _ = policy.view_of(client)
        return policy.decide(view, key_of(parse_name(name))).verdict is Verdict.BLOCK

    async def make(self, name: str, *block: str) -> int:
        return (await lists.create_list(self.store, {"name": name, "block": list(block)}, **BY)).revision  # type: ignore[arg-type]


async def eventually(true: Callable[[], bool]) -> None:
    """Wait until it is."""
    for _ in range(12_000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 120.0)  # a child starts when the machine has time for it
    store = await Store.open(None, tmp_path, make_log())
    made = Node(store, tmp_path)
    made.start()
    await made.in_force(1)
    yield made
    await made.stop()
    await store.close()


@pytest.mark.slow
async def test_a_small_change_is_a_layer_over_what_is_there(node: Node) -> None:
    base = node.published[-1].layers[0]
    await node.in_force(await node.make("house", "a.example"))
    assert node.blocks("x.a.example")
    assert node.blocks("claude.ai")
    assert node.published[-1].layers[0] == base
    assert len(node.published[-1].layers) == 2
    written = await rules_editing.write_rules(node.store, "house", removes=True, block=["a.example"], actor="test")
    await node.in_force(written.revision)
    assert not node.blocks("x.a.example")
    assert node.published[-1].layers[0] == base


@pytest.mark.slow
async def test_a_list_made_anew_under_an_old_name_has_none_of_its_rules(node: Node) -> None:
    await node.in_force(await node.make("house", "old.example"))
    revision = await lists.delete_list(node.store, "house", actor="test")
    await node.in_force(revision)
    assert not node.blocks("old.example")
    await node.in_force(await node.make("house", "new.example"))
    assert node.blocks("new.example")
    assert not node.blocks("old.example")


@pytest.mark.slow
async def test_groups_and_switches_need_no_new_layer(node: Node) -> None:
    await node.in_force(await node.make("house", "a.example"))
    layers = node.published[-1].layers
    body = {"name": "labs", "networks": ["10.9.0.0/16"], "exempt": True}
    written = await groups.create_group(node.store, body, **BY)  # type: ignore[arg-type]
    await node.in_force(written.revision)
    assert not node.blocks("claude.ai", "10.9.0.1")
    off = await lists.update_list(node.store, "house", lambda now: {**now, "enabled": False}, actor="test")
    await node.in_force(off.revision)
    assert not node.blocks("a.example")
    assert node.published[-1].layers == layers


@pytest.mark.slow
async def test_local_names_come_with_the_policy_in_a_file_of_their_own(node: Node) -> None:
    layers = node.published[-1].layers

    async def put(name: str, *addresses: str) -> None:
        body = {"addresses": list(addresses)}
        written = await local_names.put_local_name(node.store, name, body, of_config=(), most=9, actor="test")
        await node.in_force(written.revision)

    await put("printer.office.example", "192.0.2.7")
    await put("*.lab.office.example", "10.0.0.1")
    first = node.published[-1]
    assert [(one.name, one.addresses) for one in open_snapshot(first).local.records] == [
        ("*.lab.office.example", ("10.0.0.1",)),
        ("printer.office.example", ("192.0.2.7",)),
    ]
    await node.in_force(await node.make("house", "a.example"))
    assert (node.published[-1].local, first.layers) == (first.local, layers)
    for name in ("printer.office.example", "*.lab.office.example"):
        await node.in_force(await local_names.delete_local_name(node.store, name, of_config=(), actor="test"))
    assert node.published[-1].local is None
    assert node.blocks("a.example")


@pytest.mark.slow
async def test_many_changes_go_through_a_child_and_are_folded_into_a_new_base(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacking, "FEW_CHANGES", 20)
    monkeypatch.setattr(keeping, "FEW_CHANGES", 20)
    monkeypatch.setattr(stacking, "FOLD_CHANGES", 100)
    base = node.published[-1].layers[0]
    await node.in_force(await node.make("house", *(f"n{number}.example" for number in range(300))))
    assert node.blocks("n299.example")
    await node.in_force(await node.make("second", "fresh.example"))
    assert node.blocks("fresh.example")
    await eventually(lambda: node.published[-1].layers[0] != base)
    assert node.blocks("n0.example")
    assert node.blocks("fresh.example")
    written = await rules_editing.write_rules(node.store, "house", removes=True, block=["n0.example"], actor="test")
    await node.in_force(written.revision)
    assert not node.blocks("n0.example")
    assert node.blocks("n1.example")


@pytest.mark.slow
async def test_a_start_with_what_is_in_force_compiles_nothing(node: Node) -> None:
    await node.in_force(await node.make("house", "a.example"))
    await node.stop()
    known = len(node.published)
    node.keeper = node.new_keeper()
    await node.keeper.adopt(node.published[-1].path)
    node.start()
    await node.in_force(2)
    assert len(node.published) == known
    await node.in_force(await node.make("second", "b.example"))
    assert node.blocks("a.example")
    assert node.blocks("b.example")


@pytest.mark.slow
async def test_while_workers_refuse_the_old_policy_stays_and_trouble_says_why(node: Node) -> None:
    node.refuses = True
    revision = await node.make("house", "a.example")
    node.keeper.changed()
    await eventually(lambda: node.keeper.trouble is not None)
    assert node.keeper.revision < revision
    assert "do not take it" in str(node.keeper.trouble)
    node.refuses = False
    await node.in_force(revision)
    assert node.blocks("a.example")
    assert node.keeper.trouble is None


@pytest.mark.slow
async def test_a_layer_that_is_lost_is_compiled_anew(node: Node) -> None:
    await node.in_force(await node.make("house", "a.example"))
    await node.stop()
    manifest = node.published[-1]
    for entry in manifest.layers[0].entries:
        (manifest.path.parent / entry.name).unlink()
    node.keeper = node.new_keeper()
    await node.keeper.adopt(manifest.path)
    node.start()
    await node.in_force(await node.make("second", "b.example"))
    assert node.blocks("a.example")
    assert node.blocks("b.example")


@pytest.mark.slow
async def test_many_writers_share_rounds_and_all_are_in_force(node: Node) -> None:
    revisions = await asyncio.gather(*(node.make(f"list-{number}", f"n{number}.example") for number in range(40)))
    await asyncio.gather(*(node.in_force(revision) for revision in revisions))
    assert all(node.blocks(f"n{number}.example") for number in range(40))


@pytest.mark.slow
async def test_a_list_that_was_fetched_is_told_to_be_in_force_once_it_is_compiled(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacking, "FEW_RULES", 0)  # as in a policy that is too large to be made anew at once
    heard: list[PolicyNote] = []
    node.keeper.hear = heard.append
    text = b"block fetched.example\n"
    digest = hashlib.sha256(text).hexdigest()
    path = content_path(node.state_dir, digest)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    async with node.store.change("subscriptions") as change:
        row = await store_lists.create(change, name="feed", kind="subscription", url="https://feed.example/")
        await store_lists.update(change, row, content=digest, rules=1, rules_revision=change.revision)
        change.record("refresh", "lists/feed", None, None)
        change.touches_policy()
    await node.in_force(change.revision)
    assert [(note.revision, note.lacks) for note in heard] == [(change.revision, ("feed",))]
    assert not node.blocks("fetched.example"), "it is compiled in the background"
    await eventually(lambda: not heard[-1].lacks)
    assert node.blocks("fetched.example")
