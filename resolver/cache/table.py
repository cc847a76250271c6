"""The answer table: finished answers by view and query bytes, so that a repeated query costs one look-up and an ID.

The listeners read `entries` directly; whatever fills it goes through `AnswerTable`, which keeps the bound.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from resolver.telemetry.counters import Account
from resolver.telemetry.query_blocks import LogFacts

FOR_EVER: Final = math.inf
MAX_ENTRY_OCTETS: Final = 2048  # of key and answer: room for every answer over UDP, and a bound in memory for the table

# What stands under a query's `table_key`: all of the answer after the ID, the (monotonic) second at which it ends, and
# the account, flat, since every repeated query reads it.
Prepared = tuple[bytes, float, int, int, LogFacts | None]


class AnswerTable:
    """The finished answers of one view over one transport. When all tables of a worker are full, all start afresh.

    Starting afresh costs each name in use one walk through the pipeline, and no bookkeeping at all while it is not
    full: a least-recently-used order would cost every answer.
    """

    __slots__ = ("_budget", "entries")

    def __init__(self, budget: TableBudget) -> None:
        self._budget = budget
        self.entries: dict[bytes, Prepared] = {}
        budget.tables.append(self)

    def put(self, key: bytes, answer: bytes, ends_at: float, account: Account) -> None:
        """Keep `answer` (a whole message) for queries with this key until `ends_at`, unless it is unusually large."""
        if len(key) + len(answer) > MAX_ENTRY_OCTETS:
            return
        self._budget.make_room()
        self.entries[key] = (answer[2:], ends_at, *account)


class TableBudget:
    """The bound that all tables of a worker share, in entries."""

    def __init__(self, most: int, dropped: Counter[str]) -> None:
        self.tables: list[AnswerTable] = []
        self._most = most
        self._dropped = dropped
        self._stored = 0  # an upper bound: replacing an entry counts again

    def make_room(self) -> None:
        """Count one more entry; start all tables afresh when they are full."""
        self._stored += 1
        if self._stored <= self._most:
            return
        held = sum(len(table.entries) for table in self.tables)
        if held < self._most:
            self._stored = held + 1
            return
        for table in self.tables:
            table.entries.clear()
        self._dropped["answer_table_entries"] += held
        self._stored = 1

    def give_up(self) -> None:
        """Forget all answers, and the tables, which know this bound: as a cycle they would stay for a long time."""
        for table in self.tables:
            table.entries.clear()
        self.tables.clear()
