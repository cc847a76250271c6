"""The compiled policy on disk: reused when it fits, refused when it is damaged, and never in the way of a start."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resolver.snapshot.manifests import newest_whole
from resolver.snapshot.snapshot_file import last_good
from tests.support.clients import ask, is_blocked, is_blocked_everywhere
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until


def config_with(*block: str, **policy: Any) -> dict[str, Any]:
    """A config without an upstream that answers: only blocked names matter here."""
    lists = [{"name": "house", "block": list(block)}]
    return {"workers": 1, "upstream": {"servers": ["udp://127.0.0.1:9"]}, "policy": {"lists": lists, **policy}}


KINDS = ["manifest", "trie", "ids", "sets", "groups"]
FIRST = config_with("first.example")
SECOND = config_with(  # every file of its snapshot differs from those of FIRST
    "second.example", "=third.example", "*.fourth.example", groups=[{"name": "research", "networks": ["127.0.0.2"]}]
)


@pytest.fixture(scope="module")
def two_revisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with the snapshots of FIRST and SECOND."""
    moatdns = Moatdns(tmp_path_factory.mktemp("two-revisions"), FIRST)
    moatdns.makes_its_store = True  # then the config's policy is the first, however slow the control process is
    with moatdns:
        assert moatdns.wait_for("serving")["policy"] == 1
        moatdns.reload(SECOND)
    return moatdns.state_dir


@pytest.fixture
def server(tmp_path: Path, two_revisions: Path) -> Iterator[Moatdns]:
    """A server that is not started yet, whose state directory holds both revisions."""
    moatdns = Moatdns(tmp_path / "moatdns", SECOND)
    shutil.copytree(two_revisions, moatdns.state_dir)
    yield moatdns
    moatdns.stop()


def test_a_start_with_an_unchanged_config_reuses_the_snapshot(server: Moatdns) -> None:
    server.start()
    assert server.wait_for("serving")["policy"] == 2
    assert not server.events_named("policy compiled")
    assert is_blocked(ask(server.port, "second.example"))
    server.stop()
    server.write_config({**SECOND, "cache": {"max_mib": 8}})  # no part of the policy
    server.launch()
    server.wait_for("serving")
    assert not server.events_named("policy compiled")


def test_a_start_with_a_changed_config_compiles_it(server: Moatdns) -> None:
    server._config = FIRST
    server.start()
    assert server.wait_for("serving")["policy"] == 3
    server.wait_for("policy in force")
    assert is_blocked(ask(server.port, "first.example"))


def flip(path: Path) -> None:
    """Flip one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut off the last half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Leave nothing in it."""
    path.write_bytes(b"")


def fill_with_zeros(path: Path) -> None:
    """As some file systems leave a file after a power failure."""
    path.write_bytes(bytes(path.stat().st_size))


def remove(path: Path) -> None:
    """Take it away."""
    path.unlink()


def newest(snapshots: Path, kind: str) -> Path:
    """The file of a kind that only the newest revision has, or the one that all share."""
    if kind == "manifest":
        return max(snapshots.glob("manifest-*.json"))
    suffix = {"groups": "groups-*.json"}.get(kind, f"rules-*.{kind}")
    return max(snapshots.glob(suffix), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("damage", [flip, truncate, empty, fill_with_zeros, remove])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_found_out_and_the_revision_before_is_whole(
    tmp_path: Path, two_revisions: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    snapshots = tmp_path / "snapshots"
    shutil.copytree(two_revisions / "snapshots", snapshots)
    damaged = newest(snapshots, kind)
    damage(damaged)
    policy, manifest, by_reader = last_good(snapshots)
    served, by_starter = newest_whole(snapshots)  # by which a server starts
    assert (policy.revision, manifest.revision, served.revision) == (1, 1, 1)
    if not (kind == "manifest" and damage is remove):  # what was never there is not missed
        for refused in (by_reader, by_starter):
            assert len(refused) == 1
            assert str(snapshots) in refused[0]


@pytest.mark.parametrize(("kind", "damage"), [("trie", flip), ("manifest", truncate), ("groups", empty)])
def test_a_start_with_a_damaged_snapshot_says_so_and_compiles_anew(
    server: Moatdns, kind: str, damage: Callable[[Path], None]
) -> None:
    damage(newest(server.snapshots, kind))
    server.start()
    # On a busy machine the last good policy serves until the new one is there, five seconds after the start.
    wait_until(lambda: is_blocked_everywhere(server.port, "second.example"), "the new policy")
    assert is_blocked(ask(server.port, "claude.ai"))
    told = [event for event in server.events if event["level"] == "error"]
    assert told, server.log_text
    assert str(server.snapshots) in told[0]["why"]
    server.wait_for("policy in force")


def test_a_start_after_one_that_mended_the_snapshot_compiles_nothing(server: Moatdns) -> None:
    flip(newest(server.snapshots, "trie"))
    server.start()
    server.wait_for("policy in force")
    server.stop()
    server.launch()
    server.wait_for("serving")
    assert not server.events_named("policy compiled")
    assert not [event for event in server.events if event["level"] == "error"]


def test_the_last_good_policy_serves_when_the_new_one_cannot_be_written(server: Moatdns) -> None:
    in_the_way = newest(server.snapshots, "trie")
    in_the_way.unlink()
    in_the_way.mkdir()  # root may write anywhere, but no file where a folder is
    server.start()
    assert server.wait_for("serving")["policy"] == 1
    assert is_blocked(ask(server.port, "first.example"))
    assert is_blocked(ask(server.port, "claude.ai"))
    server.wait_for("the newest policy is not in force; the old one stays")


def test_a_start_with_nothing_but_damaged_snapshots_compiles_anew(server: Moatdns) -> None:
    for path in server.snapshots.iterdir():
        flip(path)
    server.start()
    assert is_blocked(ask(server.port, "second.example"))
    assert [event for event in server.events if event["level"] == "error"]


def test_only_a_few_revisions_are_kept(server: Moatdns) -> None:
    server.start()
    for number in range(5):
        server.reload(config_with(f"number-{number}.example"))
    assert len(list(server.snapshots.glob("manifest-*.json"))) == 3
    assert len(list(server.snapshots.glob("*.trie"))) <= 3
    assert is_blocked(ask(server.port, "number-4.example"))


def _put(manifest: Path, role: str, content: bytes) -> None:
    """Have a manifest name other content for a file of its lowest layer, with hashes that match."""
    digest = hashlib.sha256(content).hexdigest()
    name = f"rules-{digest[:16]}.{role}"
    (manifest.parent / name).write_bytes(content)
    body = json.loads(manifest.read_text())
    del body["checksum"]
    body["layers"][0][role] = {"name": name, "sha256": digest, "bytes": len(content)}
    checksum = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    manifest.write_text(json.dumps({**body, "checksum": checksum}))


@pytest.mark.parametrize(("role", "content"), [("ids", b""), ("trie", b"We love Marisa."), ("sets", b"[]")])
def test_a_policy_made_to_harm_with_hashes_that_match_is_put_aside(server: Moatdns, role: str, content: bytes) -> None:
    _put(server.snapshots / "manifest-000002.json", role, content)
    server.start()
    assert server.wait_for("a policy that no worker can read is put aside")["policy"] == 2
    wait_until(lambda: is_blocked_everywhere(server.port, "second.example"), "the policy is compiled anew")
