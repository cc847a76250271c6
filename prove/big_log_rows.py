"""A query log of millions of rows, and months of roll-ups, written as moatdns writes them, only faster."""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from admin_api.query_log import files
from admin_api.statistics import sketch
from admin_api.statistics.rollups import DAY, HOUR, MINUTE
from tests.support.log_blocks import add_rows

CLIENTS: Final = 5_000
GROUPS: Final = 20
SERVICES: Final = tuple(f"vendor-{number // 3}/service-{number}" for number in range(90))
RARE_CLIENT: Final = "10.99.99.99"
"""A client with few queries, evenly spread."""
RARE_ROWS: Final = 20
"""How many it has."""
RARE_NAME: Final = "once.rare.example"
"""Names that that client asked for."""

_NAMES = 40_000
_HIT_SHARE = 0.08
_AT_ONCE = 20_000

Row = tuple[Any, ...]


def client_of(number: int) -> str:
    """An address; the lower the number, the busier the client."""
    return f"10.{number % GROUPS}.{number // GROUPS // 250}.{number // GROUPS % 250 + 1}"


def fill_query_log(state_dir: Path, rows: int, days: int, end: float, chance: random.Random) -> None:
    """Write so many rows, evenly over the `days` before the Unix time `end`, into a file a day."""
    folder = state_dir / files.FOLDER
    made = _rows(rows, days, end, chance)
    for day, some in itertools.groupby(made, key=lambda row: int(row[0]) // DAY):
        name = datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
        add_rows(folder, name, some)


def _rows(rows: int, days: int, end: float, chance: random.Random) -> Iterator[Row]:
    questions = [_question(number, chance) for number in range(_NAMES)]
    busy = list(itertools.accumulate(1 / (number + 20) for number in range(_NAMES)))
    clients = [(client_of(number), f"group-{number % GROUPS}") for number in range(CLIENTS)]
    active = list(itertools.accumulate(1 / (number + 200) for number in range(CLIENTS)))
    step = days * DAY / rows
    begin = end - days * DAY
    every = rows // RARE_ROWS
    number = 0
    while number < rows:
        asked = chance.choices(questions, cum_weights=busy, k=_AT_ONCE)
        who = chance.choices(clients, cum_weights=active, k=_AT_ONCE)
        for question, client in zip(asked, who, strict=True):
            number += 1
            at = round(begin + number * step, 3)
            if number % every == every // 2:
                yield (at, RARE_CLIENT, "group-0", RARE_NAME, *questions[0][1:])
            else:
                yield (at, *client, *question)
            if number == rows:
                return


def _question(number: int, chance: random.Random) -> Row:
    """The columns of a row behind client and group."""
    name = f"{'www' if number % 3 else f'h{number}'}.site-{number // 3}.example"
    qtype = ("A", "AAAA", "HTTPS")[number % 3]
    if chance.random() < _HIT_SHARE:
        service = SERVICES[number % len(SERVICES)]
        verdict = ("block", "block", "block", "monitor", "exempt")[number % 5]
        exemption = f"{number % 40}" if verdict == "exempt" else None
        return (name, qtype, "NOERROR", verdict, service, service, f"site-{number // 3}.example", exemption, "udp", 0.0)
    milliseconds = 0.0 if chance.random() < 0.8 else round(chance.expovariate(1 / 15), 1)
    return (name, qtype, "NOERROR" if number % 11 else "NXDOMAIN", "allow", None, None, None, None, "udp", milliseconds)


# How many keys a minute, an hour and a day have of each dimension, and of how many in all.
_KEYS: Final[dict[str, tuple[int, int, int, int]]] = {
    "outcome": (9, 9, 9, 9),
    "qtype": (6, 8, 10, 10),
    "rcode": (4, 5, 5, 5),
    "protocol": (2, 4, 4, 4),
    "client": (120, 1500, 4000, CLIENTS),
    "domain": (60, 400, 1500, 4000),
    "exemption": (5, 20, 40, 40),
    "group": (12, GROUPS, GROUPS, GROUPS),
    "group/vendor": (40, 200, 500, 600),
    "list": (10, 20, 30, 30),
    "service": (30, 70, 90, len(SERVICES)),
    "vendor": (12, 25, 30, 30),
}
_PLAIN = ("outcome", "qtype", "rcode", "protocol")  # dimensions without kinds
_OUTCOMES = ("blocked", "cached", "cached_exempted", "cached_monitored", "failed", "forwarded", "forwarded_exempted",
             "forwarded_monitored", "refused")  # fmt: skip
_CLIENTS_SEEN = {MINUTE: 900, HOUR: 3500, DAY: CLIENTS}


def fill_statistics(store: Path, days: int, minutes_hours: int, end: float, chance: random.Random) -> int:
    """Write roll-ups into a store that nobody has open, up to the Unix time `end`; gives how many rows.

    Hours and days are of the last `days`, minutes of the last `minutes_hours` hours: moatdns keeps 48.
    """
    now = int(end)
    hashes = [sketch.hash_of(client_of(number)) for number in range(CLIENTS)]
    periods = ((MINUTE, now - minutes_hours * HOUR), (HOUR, now - days * DAY), (DAY, now - days * DAY))
    until = {MINUTE: now // MINUTE * MINUTE, HOUR: now // HOUR * HOUR, DAY: now // DAY * DAY}
    written = 0
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for place, (period, start) in enumerate(periods):
            for at in range(start // period * period, until[period], period):
                rows = sorted(_rollup(period, at, place, chance))
                connection.executemany("INSERT INTO stats_rollup VALUES (?, ?, ?, ?, ?, ?)", rows)
                written += len(rows)
                seen = sorted(chance.sample(hashes, _CLIENTS_SEEN[period]))[: sketch.K]
                values = (period, at, sketch.to_bytes(seen))
                connection.execute("INSERT INTO stats_clients VALUES (?, ?, ?)", values)
        rolled = json.dumps({"hours": until[HOUR], "days": until[DAY]})
        connection.execute("DELETE FROM documents WHERE name = 'stats_rolled'")
        moment = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        connection.execute(
            "INSERT INTO documents (name, body, updated_at) VALUES (?, ?, ?)", ("stats_rolled", rolled, moment)
        )
        connection.execute("COMMIT")
    return written


def _rollup(period: int, at: int, place: int, chance: random.Random) -> Iterator[Row]:
    for dimension, sizes in _KEYS.items():
        for number in chance.sample(range(sizes[3]), sizes[place]):
            if dimension in _PLAIN:
                key, kind = (_OUTCOMES[number] if dimension == "outcome" else f"{dimension}-{number}"), ""
            else:
                key, kind = _key_of(dimension, number), ("blocked", "monitored", "exempted")[number % 3]
            yield period, at, dimension, key, kind, 1 + number % 17


def _key_of(dimension: str, number: int) -> str:
    if dimension == "client":
        return client_of(number)
    return SERVICES[number] if dimension == "service" else f"{dimension}-{number}"
