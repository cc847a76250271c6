"""The house: one word a thing, docstrings that begin with the thing, imports that go one way."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from resolver import errors

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("moatdns", "admin_api", "blocklists", "resolver")
API_MODELS = ROOT / "admin_api" / "api" / "models"  # their names are those of the API's description
MOST_UNTYPED = 40

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def trees(package: str) -> dict[Path, ast.Module]:
    """The syntax trees of a package's modules, by path."""
    return {path: ast.parse(path.read_text(), str(path)) for path in sorted((ROOT / package).rglob("*.py"))}


def public(node: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    """A module or class, and all that is public in it."""
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public(child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield child


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in FLOORS:
        for path, tree in trees(package).items():
            if API_MODELS not in path.parents:
                for node in ast.walk(tree):
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 300
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("package", ["moatdns", "admin_api", "blocklists", "resolver", "bench", "prove", "deploy"])
def test_docstrings_begin_with_the_thing_they_are_about(package: str) -> None:
    riddles = [
        f"{path.relative_to(ROOT)}: {told.splitlines()[0]}"
        for path, tree in trees(package).items()
        if API_MODELS not in path.parents
        for node in public(tree)
        if (told := ast.get_docstring(node)) and told.split()[0] in ("What", "Who", "Which")
    ]
    assert riddles == []


def test_few_dicts_say_nothing_of_what_they_hold() -> None:
    untyped = {
        f"{path.relative_to(ROOT)}:{number}"
        for package in FLOORS
        for path in trees(package)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"dict\[str, (typing\.)?Any\]", line)
    }
    assert len(untyped) <= MOST_UNTYPED, sorted(untyped)


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*FLOORS, exclude_type_checking_imports=False, cache_dir=None)
    assert len(graph.modules) > 400
    assert [sorted(cycle) for cycle in circles(graph)] == []


def circles(graph: grimp.ImportGraph) -> Iterator[set[str]]:
    """Sets of modules that lead to each other by imports, those in functions and for type checkers counted."""
    reached = {module: graph.find_upstream_modules(module) for module in graph.modules}
    left = set(graph.modules)
    while left:
        module = left.pop()
        circle = {other for other in reached[module] if module in reached[other]}
        left -= circle
        if circle:
            yield circle | {module}


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        branch = line.lstrip("│├└─ ")
        if branch and (line.startswith(("│", "├", "└", "    ")) or branch == "MoatdnsError"):
            depth = (len(line) - len(branch)) // 4
            name = branch.split()[0]
            del above[depth:]
            drawn[name] = above[-1] if above else "Exception"
            above.append(name)
    found = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    }
    assert drawn == found
