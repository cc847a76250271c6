"""What pages are sent with: vendored files are what they say they are, and nothing else is served."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import admin_api.pages
from admin_api.pages.shared.static_files import FILES, address_of

VENDOR = Path(admin_api.pages.__file__).parent / "static" / "vendor"
VENDORED = json.loads((VENDOR / "VENDORED.json").read_text(encoding="utf-8"))


def test_vendored_files_are_those_that_were_looked_at() -> None:
    told = {name: file["sha256"] for library in VENDORED for name, file in library["files"].items()}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.suffix not in (".json", ".LICENSE")
    }
    assert found == told


def test_each_vendored_library_has_its_licence() -> None:
    for library in VENDORED:
        assert library["version"]
        assert len((VENDOR / library["license_file"]).read_text(encoding="utf-8")) > 200


def test_an_address_changes_with_its_file() -> None:
    for name, file in FILES.items():
        assert address_of(name) == f"/static/{name}?v={hashlib.sha256(file.body).hexdigest()[:16]}"


def test_notices_and_licences_are_no_pages() -> None:
    assert not [name for name in FILES if "LICENSE" in name or name.endswith(".json")]
