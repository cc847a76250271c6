"""Hits of a day of the query log, counted: which client of which group met which service, by which name."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from admin_api.query_log.tallies import OnDamage, blocks_between, has_rows
from resolver.telemetry.pseudonyms import is_pseudonym
from resolver.telemetry.query_block_lines import BlockClient, BlockError
from resolver.telemetry.query_blocks import FACTS

DAY_SECONDS: Final = 86400
_DAY_MS: Final = DAY_SECONDS * 1000
_GROUP, _VERDICT, _SERVICE, _LIST = (FACTS.index(name) for name in ("group", "verdict", "service", "list"))
_ROWS: Final = """SELECT client, grp, name, verdict, service, list, CAST((at - ?) / 86400 AS INTEGER), count(*)
  FROM queries WHERE at >= ? AND at < ? GROUP BY 1, 2, 3, 4, 5, 6, 7"""


class CountedHit(NamedTuple):
    """Queries alike. `client` is an identity where its name is known, else an address or a network; "" for none.

    `day` counts from the beginning of what was asked for.
    """

    client: str
    group: str
    name: str
    verdict: str
    service: str | None
    list: str | None
    day: int
    queries: int


def hits_between(connection: sqlite3.Connection, start: float, end: float, on_damage: OnDamage) -> Iterator[CountedHit]:
    """Queries of a day from one Unix time to before another: alike ones may come again. Raises sqlite3.Error."""
    first, last = round(start * 1000), round(end * 1000)
    for number, block in blocks_between(connection, on_damage, first, last):
        try:
            columns, moments = block.columns(), block.moments()
            rows = zip(columns.clients, columns.names, moments, strict=True)
            counts = Counter(
                (client, name, (moment - first) // _DAY_MS) for client, name, moment in rows if first <= moment < last
            )
            clients, names, facts = [_who(client) for client in block.clients()], block.names(), block.facts()
        except BlockError:
            on_damage(number)
            continue
        for (client, name, day), count in counts.items():
            fact = facts[columns.facts[name]]
            group, verdict = fact[_GROUP] or "", fact[_VERDICT] or ""
            yield CountedHit(clients[client], group, names[name], verdict, fact[_SERVICE], fact[_LIST], day, count)
    if has_rows(connection):
        for address, of_group, *rest in connection.execute(_ROWS, [start, start, end]):
            yield CountedHit(address or "", of_group or "", *rest)


def _who(client: BlockClient) -> str:
    """The one whom a count over weeks takes it for, since a person has several pseudonyms, and an address is one."""
    if client.identity is not None and not (client.address and is_pseudonym(client.identity)):
        return client.identity
    return client.address
