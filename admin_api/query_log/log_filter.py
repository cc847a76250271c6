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
        self._known: dict[bytes, bool] = {}

    def matching(self, block: QueryBlock) -> Sequence[int]:
        """Give the places of rows that match, ascending. Raises BlockError."""
        clients = names = facts = None
        if self._client is not None and not (clients := self._clients(block, self._client)):
            return ()
        if (self._name is not None or self._contains is not None) and not (names := self._names(block)):
            return ()
        if self._facts and not (facts := self._matching_facts(block)):
            return ()
        rows: Sequence[int] = range(block.head.rows)
        columns = block.columns()
        if clients is not None:
            rows = _places_of(clients, columns.clients)
        if names is not None:
            rows = [row for row in rows if columns.names[row] in names]
        if facts is not None:
            of_names, of_rows = columns.facts, columns.names
            rows = [row for row in rows if of_names[of_rows[row]] in facts]
        return rows

    def _clients(self, block: QueryBlock, address: str) -> Collection[int]:
        if not address:  # of rows without a client, nobody is the client
            return ()
        needle = json.dumps(address).encode()
        lines = _lines_with(needle, block.clients_text)
        return {number for number, line in lines if line == needle or client_of(line).address == address}

    def _names(self, block: QueryBlock) -> Collection[int]:
        needle = max((one for one in (self._name, self._contains) if one is not None), key=len)
        lines = _lines_with(json.dumps(needle)[1:-1].encode(), block.names_text)
        return {number for number, line in lines if self._is_wanted(name_of(line))}

    def _is_wanted(self, name: str) -> bool:
        if self._name is not None and name != self._name and not name.endswith(f".{self._name}"):
            return False
        return self._contains is None or self._contains in name

    def _matching_facts(self, block: QueryBlock) -> Collection[int]:
        text, known = block.facts_text, self._known
        if any(json.dumps(value).encode() not in text for _, value in self._facts):
            return ()
        found = set()
        for number, line in enumerate(text.split(b"\n")):
            matches = known.get(line)
            if matches is None:
                facts = facts_of(line)
                matches = all(facts[place] == value for place, value in self._facts)
                if len(known) < _MOST_REMEMBERED:
                    known[line] = matches
            if matches:
                found.add(number)
        return found


def _places_of(wanted: Collection[int], column: Sequence[int]) -> list[int]:
    """Give where a column has a wanted number."""
    if len(wanted) > 1:
        return [place for place, number in enumerate(column) if number in wanted]
    found: list[int] = []
    (number,) = wanted
    place = -1
    with contextlib.suppress(ValueError):  # there is no further one
        while True:
            found.append(place := column.index(number, place + 1))
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
