"""Edits of a catalogue's data file that leave all other lines, their form and their comments as they are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from resolver.errors import CatalogueError

_INDENT = "  - "


def entry_line(entry: Mapping[str, object]) -> str:
    """An entry of `domains` as the files have it: on one line, with only the quotes that it needs."""
    return f"{_INDENT}{{{', '.join(f'{key}: {scalar(value)}' for key, value in entry.items())}}}"


def scalar(value: object) -> str:
    """A value within ``{}``, quoted only where it must be."""
    if isinstance(value, str) and value.startswith("="):
        return f'"{value}"'
    dumped = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=100_000).strip()
    plain = dumped[1:-1]
    return (
        plain
        if not plain.startswith("'") or '"' in plain or "\\" in plain
        else f'"{plain[1:-1].replace(chr(39) * 2, chr(39))}"'
    )


def add_entry(where: str, text: str, entry: Mapping[str, object]) -> str:
    """Add an entry to `domains`, behind the last one of its service. Raises CatalogueError."""
    items = _items(where, text, "domains")
    same = [item for item in items if item.values.get("service") == entry["service"]]
    lines = text.splitlines(keepends=True)
    if not items:
        return _into_empty(where, lines, entry_line(entry))
    after = (same or items)[-1].last_line
    if not lines[after].endswith("\n"):
        lines[after] += "\n"
    return "".join([*lines[: after + 1], f"{entry_line(entry)}\n", *lines[after + 1 :]])


def add_service(where: str, text: str, service: str, about: Mapping[str, object]) -> str:
    """Add a service behind the last one. Raises CatalogueError."""
    node = _section(where, text, "services")
    if not isinstance(node, yaml.MappingNode) or not node.value or node.flow_style:
        raise CatalogueError(f"{where}: services: not written line by line: add the service {service!r} by hand")
    last = _last_line(node.value[-1][1])
    lines = text.splitlines(keepends=True)
    told = ", ".join(f"{key}: {scalar(value)}" for key, value in about.items())
    return "".join([*lines[: last + 1], f"  {service}: {{{told}}}\n", *lines[last + 1 :]])


def remove_entry(where: str, text: str, rule: str, service: str) -> str:
    """Take an entry out of `domains`; an anchor that it has goes to where it is next used. Raises CatalogueError."""
    items = _items(where, text, "domains")
    found = [item for item in items if item.values.get("rule") == rule and item.values.get("service") == service]
    if len(found) != 1:
        raise CatalogueError(
            f"{where}: {len(found)} entries with the rule {rule!r} and the service {service!r}: expected one"
        )
    if len(items) == 1:
        raise CatalogueError(f"{where}: {rule}: the only rule in this file: take the file out by hand, or decline")
    first, last = found[0].first_line, found[0].last_line
    kept = _with_anchors_moved(text, first, last).splitlines(keepends=True)
    return "".join(kept[:first] + kept[last + 1 :])


@dataclass(frozen=True, slots=True)
class _Item:
    """Entry of a list with its lines, from 0."""

    values: dict[str, str]
    first_line: int
    last_line: int


def _section(where: str, text: str, key: str) -> yaml.Node | None:
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise CatalogueError(f"{where}: not readable as YAML: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        raise CatalogueError(f"{where}: expected a mapping")
    return next((value for name, value in root.value if name.value == key), None)


def _items(where: str, text: str, key: str) -> list[_Item]:
    node = _section(where, text, key)
    if node is None or not isinstance(node, yaml.SequenceNode):
        raise CatalogueError(f"{where}: {key}: expected a list")
    items = []
    for item in node.value:
        if node.flow_style or not isinstance(item, yaml.MappingNode):
            raise CatalogueError(
                f"{where}:{item.start_mark.line + 1}: {key}: not written line by line: edit it by hand"
            )
        values = {name.value: value.value for name, value in item.value if isinstance(value, yaml.ScalarNode)}
        items.append(_Item(values, item.start_mark.line, _last_line(item)))
    return items


def _last_line(node: yaml.Node) -> int:
    """The last line of a node. A block ends where the next token begins: its last value says where it really does."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return max(_last_line(value) for value in node.value)
    return int(node.end_mark.line)


def _into_empty(where: str, lines: list[str], line: str) -> str:
    for number, old in enumerate(lines):
        if re.match(r"domains:\s*\[\s*\]\s*(#.*)?$", old):
            return "".join([*lines[:number], "domains:\n", f"{line}\n", *lines[number + 1 :]])
    raise CatalogueError(f"{where}: domains: no entries, and not written as []: add the entry by hand")


def _with_anchors_moved(text: str, first: int, last: int) -> str:
    """The text with each anchor of the lines given moved to its first alias behind them."""
    tokens = list(yaml.scan(text, yaml.SafeLoader))
    moves: list[tuple[int, int, str]] = []
    for token, value in itertools.pairwise(tokens):
        if isinstance(token, yaml.AnchorToken) and first <= token.start_mark.line <= last:
            alias = next(_aliases(tokens, token.value, last), None)
            if alias is not None:
                written = text[value.start_mark.index : value.end_mark.index]
                moves.append((alias.start_mark.index, alias.end_mark.index, f"&{token.value} {written}"))
    for start, end, written in sorted(moves, reverse=True):
        text = text[:start] + written + text[end:]
    return text


def _aliases(tokens: list[yaml.Token], name: str, behind: int) -> Iterator[yaml.Token]:
    return (
        token
        for token in tokens
        if isinstance(token, yaml.AliasToken) and token.value == name and token.start_mark.line > behind
    )
