"""Filter of a sink: which queries it gets, by facts that many rows of a block share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from resolver.config.settings import LogSinkSettings
from resolver.telemetry.query_block_lines import Facts
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import FACTS

_PLACES: Final = {field: FACTS.index(field) for field in ("verdict", "group", "service", "list")}


class SinkFilter:
    """Filter by verdict, group, service (or its vendor) and list; a key without values lets all through."""

    def __init__(self, settings: LogSinkSettings) -> None:
        wanted = {
            "verdict": settings.verdicts,
            "group": settings.groups,
            "service": settings.services,
            "list": settings.lists,
        }
        self._wanted = [(_PLACES[field], frozenset(values)) for field, values in wanted.items() if values]

    def places(self, block: QueryBlock, begin: int) -> Sequence[int]:
        """The places of rows that are wanted, from one on, ascending. Raises BlockError."""
        if not self._wanted:
            return range(begin, block.head.rows)
        fits = [self._fits(facts) for facts in block.facts()]
        if not any(fits):
            return ()
        columns = block.columns()
        of_names = [fits[number] for number in columns.facts]
        names = columns.names
        return [place for place in range(begin, block.head.rows) if of_names[names[place]]]

    def _fits(self, facts: Facts) -> bool:
        return all(_is_among(facts[place], values) for place, values in self._wanted)


def _is_among(value: str | None, values: frozenset[str]) -> bool:
    return value is not None and (value in values or value.partition("/")[0] in values)
