"""The place of a catalogue, from which another process loads what this one works with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from admin_api.compiling.messages import CompileLayer
from blocklists.feed.content import FedCatalogue
from blocklists.feed.kept import keep, kept_path
from blocklists.feed.merging import with_feed
from blocklists.feed.place import CataloguePlace
from resolver.errors import CatalogueError
from resolver.system.typed_json import read_as, write_json
from tests.unit.bundled import bundled_catalogue

from .signed import fed, signature


def test_another_process_loads_the_same_catalogue(tmp_path: Path) -> None:
    digest = keep(tmp_path, fed(), signature(fed()))
    order = CompileLayer(None, tmp_path, CataloguePlace(None, kept_path(tmp_path, digest)), ())
    place = read_as(CompileLayer, json.loads(write_json(order))).catalogue
    loaded = place.load()
    here = with_feed(bundled_catalogue(), FedCatalogue.parse(fed()))
    assert loaded.fingerprint == here.fingerprint != bundled_catalogue().fingerprint
    assert [domain.rule.text for domain in loaded.fed] == ["newco.example"]


def test_a_copy_that_was_changed_is_loaded_by_nobody(tmp_path: Path) -> None:
    path = kept_path(tmp_path, keep(tmp_path, fed(), signature(fed())))
    path.write_bytes(fed(version=8))
    with pytest.raises(CatalogueError, match="has been changed"):
        CataloguePlace(None, path).load()
