"""Compiled policies that were made to harm, with hashes that match: refused, or at worst wrong about names.

The trie's octets are marisa's, which believes them: what reads those runs in a process of its own here.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocklists.sources import compile_policy, known_references
from resolver.config.load import load_config
from resolver.errors import SnapshotError
from resolver.policy.compiler import CompiledRules
from resolver.snapshot.manifests import Manifest, Origin, newest_whole, read_manifest
from resolver.snapshot.snapshot_file import open_snapshot, write_snapshot
from resolver.wire.names import key_of, parse_name
from tests.support.examples import examples
from tests.support.programs import PATIENCE_SECONDS
from tests.unit.bundled import bundled_catalogue

NAMES = ("claude.ai", "house.example", "a.b.pattern-x.example", "plain.example")
Json = Any


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[CompiledRules, bytes]:
    """A policy with names, patterns and expressions."""
    file = tmp_path_factory.mktemp("config") / "moatdns.yaml"
    block = "[house.example, 'pattern-*.example', '/^ad[0-9]/']"
    file.write_text(f"policy: {{lists: [{{name: house, block: {block}, allow: [ok.example]}}]}}")
    catalogue = bundled_catalogue()
    return compile_policy(load_config(file, known_references(catalogue)).policy.model_dump(mode="json"), catalogue)


def written(folder: Path, rules: CompiledRules, groups: bytes) -> Manifest:
    """A snapshot of those bytes, whose hashes match."""
    return write_snapshot(folder, rules, groups, Origin("made to harm"))


def judged(manifest: Manifest) -> None:
    """Open it and ask for names: SnapshotError, or an answer."""
    policy = open_snapshot(manifest)
    view, _ = policy.view_of("192.0.2.1")
    for name in NAMES:
        policy.decide(view, key_of(parse_name(name)))


def places(plain: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    below = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    found = [path]
    for key, value in list(below)[:12]:
        found += places(value, (*path, key))
    return found


def changed(content: bytes, place: int, value: Json) -> bytes:
    """A JSON text with another value at one of its places."""
    plain = json.loads(content)
    every = places(plain)
    path = every[place % len(every)]
    if not path:
        return json.dumps(value).encode()
    here = plain = copy.deepcopy(plain)
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    return json.dumps(plain).encode()


VALUES: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from([None, True, -1, 0, 255, 1 << 31, 1 << 70, 1e308, "", "x", [], [[]], {}, "(", [0] * 7, "address"]),
    st.integers(),
    st.text(max_size=5),
)
ASKED = settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@ASKED
@given(place=st.integers(0, 10_000), value=VALUES, part=st.sampled_from(["sets", "groups"]))
def test_a_layer_with_any_value_anywhere_is_refused_or_judges(
    compiled: tuple[CompiledRules, bytes], tmp_path: Path, place: int, value: Json, part: str
) -> None:
    rules, groups = compiled
    if part == "sets":
        rules = CompiledRules(rules.trie, rules.ids, changed(rules.sets, place, value))
    else:
        groups = changed(groups, place, value)
    with contextlib.suppress(SnapshotError):
        judged(written(tmp_path, rules, groups))


@ASKED
@given(octets=st.binary(max_size=200), keep=st.integers(0, 1 << 20))
def test_numbers_of_any_octets_are_refused_or_judge(
    compiled: tuple[CompiledRules, bytes], tmp_path: Path, octets: bytes, keep: int
) -> None:
    rules, groups = compiled
    ids = rules.ids[: keep % (len(rules.ids) + 1)] + octets
    with contextlib.suppress(SnapshotError):
        judged(written(tmp_path, CompiledRules(rules.trie, ids, rules.sets), groups))


@pytest.mark.parametrize("by", [1, -1, 1000])
def test_numbers_that_are_not_as_many_as_keys_are_refused(
    compiled: tuple[CompiledRules, bytes], tmp_path: Path, by: int
) -> None:
    rules, groups = compiled
    octets = by * array(json.loads(rules.sets)["ids"]).itemsize
    ids = rules.ids + bytes(octets) if by > 0 else rules.ids[:octets]
    with pytest.raises(SnapshotError, match="numbers for"):
        open_snapshot(written(tmp_path, CompiledRules(rules.trie, ids, rules.sets), groups))


def _elsewhere(body: Json) -> None:
    body["layers"][0]["trie"]["name"] = "../../etc/passwd"


def _absolute(body: Json) -> None:
    body["groups"]["name"] = "/etc/passwd"


def _another(body: Json) -> None:
    body["groups"]["name"] = body["layers"][0]["sets"]["name"]


def _no_layer(body: Json) -> None:
    body["layers"] = []


def _many(body: Json) -> None:
    body["groups"]["bytes"] = 1 << 80


def _no_number(body: Json) -> None:
    body["revision"] = float("inf")


@pytest.mark.parametrize("harm", [_elsewhere, _absolute, _another, _no_layer, _many, _no_number])
def test_a_manifest_made_to_harm_is_refused(
    compiled: tuple[CompiledRules, bytes], tmp_path: Path, harm: Callable[[Json], None]
) -> None:
    manifest = written(tmp_path, *compiled)
    body = json.loads(manifest.path.read_text())
    del body["checksum"]
    harm(body)
    checksum = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    manifest.path.write_text(json.dumps({**body, "checksum": checksum}))
    with pytest.raises(SnapshotError):
        open_snapshot(read_manifest(manifest.path))
    with pytest.raises(SnapshotError):
        newest_whole(tmp_path)


@pytest.mark.parametrize("how", ["link", "everybody's", "pipe"])
def test_a_file_that_is_not_ours_alone_is_refused(
    compiled: tuple[CompiledRules, bytes], tmp_path: Path, how: str
) -> None:
    manifest = written(tmp_path / "snapshots", *compiled)
    trie = manifest.path.parent / manifest.layers[0].trie.name
    if how == "link":
        trie.rename(tmp_path / "elsewhere")
        trie.symlink_to(tmp_path / "elsewhere")
    elif how == "everybody's":
        trie.chmod(0o666)
    else:
        trie.unlink()
        subprocess.run(["mkfifo", str(trie)], check=True)
    with pytest.raises(SnapshotError, match=r"symbolic link|by everybody|not a regular file"):
        open_snapshot(manifest)


_READER = """
import sys
from pathlib import Path
from resolver.errors import SnapshotError
from tests.unit.resolver.snapshot.test_harmful_layers import judged
from resolver.snapshot.manifests import read_manifest
try:
    judged(read_manifest(Path(sys.argv[1])))
except SnapshotError:
    sys.exit(3)
"""


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_trie_that_is_cut_off_is_refused(compiled: tuple[CompiledRules, bytes], tmp_path: Path, share: float) -> None:
    rules, groups = compiled
    cut = CompiledRules(rules.trie[: int(len(rules.trie) * share)], rules.ids, rules.sets)
    manifest = written(tmp_path, cut, groups)
    command = [sys.executable, "-c", _READER, str(manifest.path)]
    assert subprocess.run(command, cwd=Path(__file__).parents[4], timeout=PATIENCE_SECONDS, check=False).returncode == 3
