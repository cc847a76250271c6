"""YAML of the catalogue's data files: what PyYAML's safe loader reads, without tags, each key once.

Read from the parser's events: the usual constructors take twice the time, which every start pays.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

import yaml
from yaml import cyaml

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_LONGEST_WORD = 5  # that means something else than itself: "false"
_NUMBERS = frozenset("0123456789+-.")
_RESOLVER: Any = yaml.resolver.Resolver()
_DEEPEST = 20


def parse_yaml(content: bytes) -> Any:
    """Read one document. Raises yaml.YAMLError, and ValueError for a date such as 2026-02-30.

    A key that is written twice is refused: the later one would silently win.
    """
    parser = cyaml.CParser(content)  # type: ignore[attr-defined]  # which its stubs leave out
    try:
        parser.get_event()  # the stream begins
        if isinstance(parser.get_event(), yaml.StreamEndEvent):
            return None
        found = _Reader(parser).value(parser.get_event(), 0)
        parser.get_event()  # the document ends
        if not isinstance(parser.get_event(), yaml.StreamEndEvent):
            raise yaml.YAMLError("a second document: one a file")
        return found
    finally:
        parser.dispose()


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _typed(text: str) -> Any:
    """A plain scalar as YAML means it: nearly always the text, or a date."""
    if _DATE.match(text):
        return datetime.date.fromisoformat(text)
    may_be_more = len(text) <= _LONGEST_WORD or text[0] in _NUMBERS
    if may_be_more and _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str":
        return yaml.safe_load(text)
    return text


class _Reader:
    """Values of one document, from its events."""

    def __init__(self, parser: Any) -> None:
        self._next = parser.get_event
        self._anchors: dict[str, Any] = {}

    def value(self, event: Any, depth: int) -> Any:
        """The value that begins with an event."""
        if getattr(event, "tag", None) is not None:
            raise yaml.YAMLError(f"line {_line(event)}: {event.tag}: no tags here")
        if isinstance(event, yaml.ScalarEvent):
            value: Any = event.value
            if event.implicit[0]:  # plain, not quoted
                value = _typed(value)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise yaml.YAMLError(f"line {_line(event)}: no anchor &{event.anchor} before this")
            return self._anchors[event.anchor]
        elif depth > _DEEPEST:
            raise yaml.YAMLError(f"line {_line(event)}: nested too deeply")
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(depth)
        else:
            value = self._sequence(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise yaml.YAMLError(f"line {_line(event)}: a key is text")
            key = event.value
            if key in found:
                raise yaml.YAMLError(f"line {_line(event)}: key {key!r} is written twice")
            found[key] = self.value(self._next(), depth + 1)
        return found

    def _sequence(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            found.append(self.value(event, depth + 1))
        return found
