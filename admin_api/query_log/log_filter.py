"""Filter of a search of the query log, and what it means for the lines of a block."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from admin_api.query_log.cursors import Marks
from resolver.telemetry.query_block_reading import QueryBlock, client_of, facts_of, name_of
from resolver.telemetry.query_blocks import FACTS

_MOST_REMEMBERED: Final = 10_000  # lines of facts: many blocks have the same
_FEW: Final = 4  # numbers that are looked for one after the other
_OF_FACTS: Final = {field: FACTS.index(field) for field in ("group", "service", "verdict")}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Filter of a search: values by field; from `start` to before `end`, Unix seconds; newer than marks."""

    filters: Mapping[str, str]
    start: float | None = None
    end: float | None = None
    after: Marks | None = None

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
    """Filter by client, name and facts, for blocks. It reads no more of one than it has to."""

    def __init__(self, filters: Mapping[str, str]) -> None:
        self._client = filters.get("client")
        name = filters.get("name")
        self._name = None if name is None else lowered(name.strip().rstrip("."))
        self._contains = None if "contains" not in filters else lowered(filters["contains"])
        self._facts = [(place, filters[field]) for field, place in _OF_FACTS.items() if field in filters]
        needles = [json.dumps(value).encode() for _, value in self._facts]
        self._needles = sorted(needles, key=len, reverse=True)
        self._known: dict[bytes, bool] = {}

    def matching(self, block: QueryBlock) -> Sequence[int]:
        """Give the places of rows that match, ascending. Raises BlockError."""
        clients = names = None
        if self._client is not None and not (clients := self._clients(block, self._client)):
            return ()
        if (self._name is not None or self._contains is not None) and not (names := self._names(block)):
            return ()
        if self._facts:
            if not (facts := self._matching_facts(block)):
                return ()
            of_facts = _places_of(facts, block.columns().facts)
            names = set(of_facts) if names is None else names.intersection(of_facts)
        columns = block.columns()
        if clients is None:
            return range(block.head.rows) if names is None else _places_of(names, columns.names)
        rows = _places_of(clients, columns.clients)
        return rows if names is None else [row for row in rows if columns.names[row] in names]

    def _clients(self, block: QueryBlock, address: str) -> set[int]:
        if not address:  # of rows without a client, nobody is the client
            return set()
        needle = json.dumps(address).encode()
        lines = _lines_with(needle, block.clients_text)
        return {number for number, line in lines if line == needle or client_of(line).address == address}

    def _names(self, block: QueryBlock) -> set[int]:
        needle = max((one for one in (self._name, self._contains) if one is not None), key=len)
        lines = _lines_with(json.dumps(needle)[1:-1].encode(), block.names_text)
        return {number for number, line in lines if self._is_wanted(name_of(line))}

    def _is_wanted(self, name: str) -> bool:
        if self._name is not None and name != self._name and not name.endswith(f".{self._name}"):
            return False
        return self._contains is None or self._contains in name

    def _matching_facts(self, block: QueryBlock) -> set[int]:
        text, needle = block.facts_text, self._needles[0]
        if any(one not in text for one in self._needles):
            return set()
        if text.count(needle) > _FEW:
            return {number for number, line in enumerate(text.split(b"\n")) if self._is_matched(line)}
        return {number for number, line in _lines_with(needle, text) if self._is_matched(line)}

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


def _places_of(wanted: Collection[int], column: Sequence[int]) -> list[int]:
    """Give where a column has wanted numbers, ascending."""
    if len(wanted) > _FEW:
        return [place for place, number in enumerate(column) if number in wanted]
    found: list[int] = []
    for number in wanted:
        place = -1
        with contextlib.suppress(ValueError):  # there is no further one
            while True:
                found.append(place := column.index(number, place + 1))
    found.sort()
    return found


def _lines_with(needle: bytes, text: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each line that has a needle, with its number. An empty needle is in all."""
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
