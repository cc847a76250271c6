"""Local names of a policy as a file: they come back as they were, and whatever else is there is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.errors import RuleError, SnapshotError
from resolver.policy.compiler import compile_groups, compile_rules
from resolver.policy.groups import CompiledGroup
from resolver.snapshot.local_file import pack_local, read_local
from resolver.snapshot.manifests import Manifest, Origin, read_manifest
from resolver.snapshot.snapshot_file import open_snapshot, write_layer, write_manifest
from resolver.wire.local_records import BY_API, NO_LOCAL_NAMES, LocalRecord
from tests.support.examples import examples

RECORDS = (
    LocalRecord("*.lab.office.example", addresses=("10.0.0.1", "2001:db8::1"), origin=BY_API),
    LocalRecord("intra.office.example", alias="printer.office.example", origin=BY_API),
)


def written(folder: Path, local: bytes) -> Manifest:
    """A policy with these local names, as the keeper writes it."""
    layer = write_layer(folder, compile_rules([]), 0)
    groups = compile_groups([CompiledGroup("default")], [])
    return write_manifest(folder, [layer], groups, Origin("test"), local)


def test_names_come_back_as_they_were_and_none_need_no_file() -> None:
    assert read_local(pack_local(RECORDS)).records == RECORDS
    assert pack_local(()) == b""
    assert read_local(b"") is NO_LOCAL_NAMES


def test_a_snapshot_has_the_names_of_its_policy_and_takes_those_it_knows_from_the_one_before(tmp_path: Path) -> None:
    without = open_snapshot(written(tmp_path, b""))
    assert without.local is NO_LOCAL_NAMES
    first = open_snapshot(written(tmp_path, pack_local(RECORDS)), like=without)
    assert first.local.records == RECORDS
    manifest = written(tmp_path, pack_local(RECORDS))
    assert open_snapshot(read_manifest(manifest.path), like=first).local is first.local
    assert manifest.holds_local(pack_local(RECORDS))
    assert not manifest.holds_local(pack_local(RECORDS[:1]))
    assert not manifest.holds_local(b"")


def test_a_damaged_file_of_names_is_refused(tmp_path: Path) -> None:
    manifest = written(tmp_path, pack_local(RECORDS))
    assert manifest.local is not None
    place = tmp_path / manifest.local.name
    place.chmod(0o600)
    place.write_bytes(place.read_bytes().replace(b"10.0.0.1", b"10.0.0.2"))
    with pytest.raises(SnapshotError, match="content has been changed"):
        open_snapshot(manifest)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        [[]],
        [["a.example"]],
        [["a.example", "10.0.0.1", ""]],
        [["a.example", [], ""]],
        [["a.example", ["10.0.0.1"], "b.example"]],
        [["a.example", ["10.0.0.256"], ""]],
        [["a.example", [7], ""]],
        [["a..example", ["10.0.0.1"], ""]],
        [["a.example", [], "b" * 64]],
    ],
)
def test_names_that_were_made_to_harm_are_refused_with_a_matching_hash(tmp_path: Path, plain: Any) -> None:
    with pytest.raises(SnapshotError, match="cannot be read"):
        open_snapshot(written(tmp_path, json.dumps(plain).encode()))


@settings(max_examples=examples(200))
@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_octets_do_more_than_be_refused(octets: bytes | str) -> None:
    try:
        found = read_local(octets.encode() if isinstance(octets, str) else octets)
    except (ValueError, TypeError, RuleError, RecursionError):
        return
    assert all(isinstance(record, LocalRecord) for record in found.records)
