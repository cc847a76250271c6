"""Filter of a search of the query log, and what it means for the lines of a block."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from admin_api.query_log.cursors import Marks
from resolver.telemetry.query_block_lines import BlockError, client_of, facts_of, name_of, pointed_at
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import FACTS

_MOST_REMEMBERED: Final = 10_000  # lines of facts: many blocks have the same
_FEW: Final = 4  # numbers that are looked for one after the other
_MANY: Final = 16  # lines from which on all are looked at
_ESCAPE: Final = b"\\"
_OF_CLIENTS: Final = ("client", "identity")  # what a line of the clients has, in its order
_OF_FACTS: Final = {field: FACTS.index(field) for field in ("group", "service", "verdict")}


Aliases = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Filter of a search: values by field; from `start` to before `end`, Unix seconds; newer than marks.

    `aliases`, by field: what else the log may have for its value (another form of it, pseudonyms).
    """

    filters: Mapping[str, str]
    start: float | None = None
    end: float | None = None
    after: Marks | None = None
    aliases: Aliases = field(default_factory=dict)

    @property
    def start_milliseconds(self) -> int:
        """The first Unix millisecond."""
        return 0 if self.start is None else _milliseconds(self.start)

    @property
    def end_milliseconds(self) -> int | None:
        """The Unix millisecond behind the last."""
        return None if self.end is None else _milliseconds(self.end)


def _milliseconds(seconds: float) -> int:
    return math.ceil(round(seconds * 1000, 3))


def lowered(text: str) -> str:
    """ASCII letters in lower case, as names have them in the log."""
    return text.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")


class BlockMatcher:
    """Filter by client, identity, name and facts, for blocks. It reads no more of one than it has to.

    Lines without an escape are compared as they are: text that is no JSON may match, and is found out when it is read.
    """

    def __init__(self, filters: Mapping[str, str], aliases: Aliases | None = None) -> None:
        aliases = aliases or {}
        # Of rows without a client, nobody is the client.
        self._who = [
            (place, {filters[name], *aliases.get(name, ())} - {""})
            for place, name in enumerate(_OF_CLIENTS)
            if name in filters
        ]
        name = filters.get("name")
        self._name = None if name is None else lowered(name.strip().rstrip("."))
        self._contains = None if "contains" not in filters else lowered(filters["contains"])
        self._line = _line_of(self._name or "")
        self._below = b"." + self._line[1:]
        self._within = _line_of(self._contains or "")[1:-1]
        self._facts = [(place, filters[field]) for field, place in _OF_FACTS.items() if field in filters]
        self._needles = [_line_of(value) for _, value in self._facts]
        self._known: dict[bytes, bool] = {}

    def matching(self, block: QueryBlock) -> Sequence[int]:
        """Give the places of rows that match, ascending. Raises BlockError."""
        clients = names = None
        if self._who and not (clients := self._clients(block)):
            return ()
        if (self._name is not None or self._contains is not None) and not (names := self._names(block)):
            return ()
        if any(needle not in block.facts_text for needle in self._needles):
            return ()
        if clients is not None:
            return self._of_clients(block, clients, names)
        if self._facts:
            names = self._names_of_facts(block) if names is None else self._with_facts(block, names)
        return range(block.head.rows) if names is None else _places_of(names, block.numbers().names)

    def _of_clients(self, block: QueryBlock, clients: set[int], names: set[int] | None) -> Sequence[int]:
        columns = block.numbers()
        rows = _places_of(clients, columns.clients)
        if names is None and not self._facts:
            return rows
        of_rows = [columns.names[row] for row in rows]
        wanted = set(of_rows) if names is None else names.intersection(of_rows)
        if self._facts:
            wanted = self._with_facts(block, wanted)
        return [row for row, name in zip(rows, of_rows, strict=True) if name in wanted]

    def _clients(self, block: QueryBlock) -> set[int]:
        found: list[set[int]] = []
        for place, values in self._who:
            here: set[int] = set()
            for value in values:
                lines = _lines_with(_line_of(value), block.clients_text)
                here.update(number for number, line in lines if client_of(line)[place] == value)
            found.append(here)
        return set.intersection(*found)

    def _names(self, block: QueryBlock) -> set[int]:
        needle = max(self._within, b"" if self._name is None else self._line[1:-1], key=len)
        return {number for number, line in _lines_with(needle, block.names_text) if self._is_wanted(line)}

    def _is_wanted(self, line: bytes) -> bool:
        if _ESCAPE not in line:
            if self._name is not None and line != self._line and not line.endswith(self._below):
                return False
            return self._within in line
        name = name_of(line)
        if self._name is not None and name != self._name and not name.endswith(f".{self._name}"):
            return False
        return self._contains is None or self._contains in name

    def _names_of_facts(self, block: QueryBlock) -> set[int]:
        text = block.facts_text
        rarest = min(self._needles, key=text.count)
        facts = {number for number, line in _lines_with(rarest, text) if self._is_matched(line)}
        return set(_places_of(facts, block.numbers().facts)) if facts else set()

    def _with_facts(self, block: QueryBlock, names: set[int]) -> set[int]:
        lines = block.facts_text.split(b"\n")
        if len(lines) != block.head.facts:
            raise BlockError("a block with other counts than its header has")
        of_names = block.numbers().facts
        return {name for name in names if self._is_matched(pointed_at(lines, pointed_at(of_names, name)))}

    def _is_matched(self, line: bytes) -> bool:
        matches = self._known.get(line)
        if matches is None:
            matches = all(one in line for one in self._needles)
            if matches:
                facts = facts_of(line)
                matches = all(facts[place] == value for place, value in self._facts)
            if len(self._known) < _MOST_REMEMBERED:
                self._known[line] = matches
        return matches


def _line_of(text: str) -> bytes:
    return json.dumps(text).encode()


def _places_of(wanted: Collection[int], column: Sequence[int]) -> list[int]:
    """Give where a column has wanted numbers, ascending."""
    if len(wanted) > _FEW:
        return list(itertools.compress(itertools.count(), map(wanted.__contains__, column)))
    found: list[int] = []
    for number in wanted:
        place = -1
        with contextlib.suppress(ValueError):  # there is no further one
            while True:
                found.append(place := column.index(number, place + 1))
    found.sort()
    return found


def _lines_with(needle: bytes, text: bytes) -> Iterable[tuple[int, bytes]]:
    """Give each line that has a needle, with its number. An empty needle is in all."""
    found = text.count(needle)
    if not found:
        return ()
    if found > _MANY:
        return [(number, line) for number, line in enumerate(text.split(b"\n")) if needle in line]
    return _single_lines_with(needle, text)


def _single_lines_with(needle: bytes, text: bytes) -> Iterator[tuple[int, bytes]]:
    number = counted = 0
    at = text.find(needle)
    while at >= 0:
        begin = text.rfind(b"\n", 0, at) + 1
        number += text.count(b"\n", counted, begin)
        counted = begin
        end = text.find(b"\n", at)
        if end < 0:
            end = len(text)
        yield number, text[begin:end]
        at = text.find(needle, end + 1) if end < len(text) else -1
