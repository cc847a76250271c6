"""What production installs: locked by hash, without what builds it, and readable by the service alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ("Dockerfile", "docs/operations.md", "deploy/systemd/README.md")
BUILDERS = {"hatchling", "editables", "mypy", "setuptools", "pip", "wheel", "librt", "pip-tools"}


def locked(name: str) -> dict[str, str]:
    """Package versions of a lock file, by name."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def test_the_lock_of_what_runs_names_nothing_that_builds() -> None:
    assert BUILDERS.isdisjoint(locked("requirements.txt"))
    assert {"hatchling", "editables", "mypy", "setuptools"} <= locked("requirements-build.txt").keys()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt", "requirements-dev.txt"])
def test_every_locked_package_has_hashes(name: str) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_what_is_locked_twice_is_locked_alike() -> None:
    dev = locked("requirements-dev.txt")
    for name in ("requirements.txt", "requirements-build.txt"):
        assert {package: version for package, version in locked(name).items() if dev.get(package) != version} == {}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_installs_by_hash_into_an_environment_without_pip(recipe: str) -> None:
    text = (ROOT / recipe).read_text()
    installs = re.findall(r"pip[^\n`]* install [^\n`]*", text)
    assert len(installs) >= 2
    assert [each for each in installs if "--require-hashes" not in each and "--no-deps" not in each] == []
    made = re.findall(r"-m venv ([^\n]*/opt/moatdns)", text)
    assert made
    assert [each for each in made if "--without-pip" not in each] == []


def test_the_service_alone_reads_its_config() -> None:
    text = (ROOT / "deploy/systemd/README.md").read_text()
    assert re.search(r"install -m 0640 -g moatdns \S+ /etc/moatdns/moatdns\.yaml", text)
    assert "install -d -m 0750 -g moatdns /etc/moatdns" in text
    assert "ConfigurationDirectoryMode=0750" in (ROOT / "deploy/systemd/moatdns.service").read_text()
