"""Signed catalogues beside minisign itself: what one signs, the other verifies."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import MOATDNS, PATIENCE_SECONDS, program

CATALOGUE = ("--series", "acme", "--version", "2026112601")


def run(*words: str | Path, expected: int = 0) -> str:
    """Run a command; gives what it printed."""
    done = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == expected, (done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A catalogue's file, not signed yet."""
    file = tmp_path / "catalogue.json"
    run(MOATDNS, "catalogue", "build", "--out", file, *CATALOGUE)
    return file


@pytest.mark.parametrize("more", [(), ("-l",)], ids=["prehashed", "legacy"])
def test_what_minisign_signs_is_verified(tmp_path: Path, built: Path, more: tuple[str, ...]) -> None:
    minisign, key, public = program("minisign"), tmp_path / "m.key", tmp_path / "m.pub"
    run(minisign, "-G", "-W", "-s", key, "-p", public)
    run(minisign, "-S", *more, "-s", key, "-m", built)
    told = json.loads(run(MOATDNS, "catalogue", "verify", built, "--key", public, "--json"))
    assert (told["good"], told["series"], told["version"], told["added"]) == (True, "acme", 2026112601, 0)
    built.write_bytes(built.read_bytes().replace(b"2026112601", b"2026112602"))
    assert "not the one that was signed" in run(MOATDNS, "catalogue", "verify", built, "--key", public, expected=1)
    run(minisign, "-V", "-p", public, "-m", built, expected=1)


def test_minisign_verifies_what_we_sign_and_signs_with_our_key(tmp_path: Path, built: Path) -> None:
    minisign, key, public = program("minisign"), tmp_path / "ours.key", tmp_path / "ours.pub"
    made = json.loads(run(MOATDNS, "catalogue", "keygen", "--secret", key, "--public", public, "--json"))
    assert key.stat().st_mode & 0o777 == 0o600
    run(MOATDNS, "catalogue", "sign", built, "--key", key, "--comment", "for all offices")
    assert "Trusted comment: for all offices" in run(minisign, "-V", "-P", made["key"], "-m", built)
    run(minisign, "-V", "-p", public, "-m", built)
    built.with_name(built.name + ".minisig").unlink()
    run(minisign, "-S", "-s", key, "-m", built)
    assert "signed with the key" in run(MOATDNS, "catalogue", "verify", built, "--key", made["key"])


def test_a_key_of_minisign_signs_for_us_without_its_passphrase(tmp_path: Path, built: Path) -> None:
    minisign, key, public = program("minisign"), tmp_path / "m.key", tmp_path / "m.pub"
    run(minisign, "-G", "-W", "-s", key, "-p", public)
    run(MOATDNS, "catalogue", "sign", built, "--key", key)
    run(minisign, "-V", "-p", public, "-m", built)
