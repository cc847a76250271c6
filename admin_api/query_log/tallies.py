"""Tallies of a day of the query log: how often each client asked for each name, and each name was asked for."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator

from admin_api.query_log import files
from admin_api.query_log.cursors import MOST_ID
from resolver.telemetry.query_block_lines import BlockError
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import FACTS

_SERVICE = FACTS.index("service")
_BLOCKS = "SELECT id, packed FROM blocks WHERE newest >= ? AND oldest < ? ORDER BY id DESC"
_PAIRS = "SELECT client, name, count(*) FROM queries WHERE at >= ? AND client IS NOT NULL GROUP BY client, name"
_NAMES = "SELECT name, count(*), service FROM queries GROUP BY name, service"


OnDamage = Callable[[int], None]
"""Called with the id of each block that cannot be read, and whose queries are missing."""


def pairs_of(connection: sqlite3.Connection, start: float, on_damage: OnDamage) -> Iterator[tuple[str, str, int]]:
    """Clients and names of a day since a Unix time, and how often: a pair may come again. Raises sqlite3.Error."""
    since = math.ceil(round(start * 1000, 3))
    for number, block in blocks_between(connection, on_damage, since):
        try:
            columns = block.columns()
            asked = list(zip(columns.clients, columns.names, strict=True))
            if block.head.oldest < since:
                asked = [pair for pair, moment in zip(asked, block.moments(), strict=True) if moment >= since]
            clients, names = block.clients(), block.names()
        except BlockError:
            on_damage(number)
            continue
        for (client, name), count in Counter(asked).items():
            if address := clients[client].address:
                yield address, names[name], count
    if has_rows(connection):
        yield from connection.execute(_PAIRS, [start])


def names_of(connection: sqlite3.Connection, on_damage: OnDamage) -> Iterator[tuple[str, int, str | None]]:
    """Names of a day, how often, and the service that each was counted for: a name may come again.

    Raises sqlite3.Error.
    """
    for block_number, block in blocks_between(connection, on_damage):
        try:
            columns, names, facts = block.columns(), block.names(), block.facts()
        except BlockError:
            on_damage(block_number)
            continue
        for number, count in Counter(columns.names).items():
            yield names[number], count, facts[columns.facts[number]][_SERVICE]
    if has_rows(connection):
        yield from connection.execute(_NAMES)


def has_rows(connection: sqlite3.Connection) -> bool:
    """Whether a day has rows of an earlier version. Raises sqlite3.Error."""
    return "queries" in files.tables(connection)


def blocks_between(
    connection: sqlite3.Connection, on_damage: OnDamage, since: int = 0, until: int = MOST_ID
) -> Iterator[tuple[int, QueryBlock]]:
    """The blocks of a day that touch a time in Unix milliseconds, with their ids, the newest first.

    Those whose head cannot be read are not among them. Raises sqlite3.Error.
    """
    if "blocks" not in files.tables(connection):
        return
    for number, packed in connection.execute(_BLOCKS, [since, until]):
        try:
            block = QueryBlock(packed)
        except BlockError:
            on_damage(number)
        else:
            yield number, block
