"""The lists of packages agree: what is built, checked, copied and compiled is the same set of folders."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from hatch_build import CompiledQueryPath

ROOT = Path(__file__).parents[3]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
BESIDE = {"bench", "prove", "tests"}  # folders of modules that are not installed


def packages() -> set[str]:
    """The top folders that are installed: all that hold a package, but for tools and tests."""
    return {path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")} - BESIDE


def compiling() -> CompiledQueryPath:
    """The build hook with its part of pyproject.toml."""
    config = PYPROJECT["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    return CompiledQueryPath(str(ROOT), config, None, None, "", "wheel")  # type: ignore[arg-type]


def test_there_are_four_floors() -> None:
    assert packages() == {"admin_api", "blocklists", "moatdns", "resolver"}


@pytest.mark.parametrize("builder", [WheelBuilder, SdistBuilder])
def test_every_module_is_in_the_wheel_and_in_the_sdist(builder: type[BuilderInterface[Any, Any]]) -> None:
    inside = {file.relative_path for file in builder(str(ROOT)).recurse_included_files()}
    wanted = {
        str(path.relative_to(ROOT))
        for package in packages()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - inside == set()


def test_the_wheel_names_the_packages() -> None:
    assert set(PYPROJECT["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages()


def test_mypy_checks_the_packages() -> None:
    assert set(PYPROJECT["mypy"]["packages"]) >= packages() | BESIDE - {"tests"}


def test_import_linter_knows_the_packages() -> None:
    assert set(PYPROJECT["importlinter"]["root_packages"]) == packages()


def test_the_compiled_wheel_is_made_anew_when_a_package_changes() -> None:
    found = re.search(r"^dist/\.compiled: .*\$\(shell find ([a-z_ ]+) -type f", (ROOT / "Makefile").read_text(), re.M)
    assert found
    assert set(found[1].split()) == packages()


def test_the_container_image_is_built_from_the_packages() -> None:
    copied = re.findall(r"^COPY (\w+) (\w+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert {source for source, _ in copied} == packages()
    assert all(source == target for source, target in copied)
    let_in = re.findall(r"^!([a-z_]+)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert {name for name in let_in if (ROOT / name).is_dir()} == packages()


def test_each_module_of_a_compiled_folder_is_compiled_or_interpreted_for_a_reason() -> None:
    hook = compiling()
    compiled, interpreted = set(hook.compiled_modules()), hook.config["interpreted"]
    modules = {
        str(path.relative_to(ROOT))
        for folder in hook.config["folders"]
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert modules - compiled - set(interpreted) == set(), "in a folder below a compiled one: name that one, too"
    assert compiled & set(interpreted) == set()
    assert compiled - modules == set(hook.config["modules"])
    assert [name for name, reason in interpreted.items() if len(reason.split()) < 3] == []
    assert {name.partition("/")[0] for name in compiled} <= {"resolver", "blocklists"}, "what the hook copies"


@pytest.mark.parametrize("key", ["interpreted", "modules"])
def test_a_named_module_that_is_not_there_is_told(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hook, gone = compiling(), "resolver/wire/gone.py"
    there = hook.config[key]
    monkeypatch.setitem(hook.config, key, {**there, gone: "a reason"} if key == "interpreted" else [*there, gone])
    with pytest.raises(RuntimeError, match=r"there is no module resolver/wire/gone\.py"):
        hook.compiled_modules()
