"""The answer table: finished answers by view and query bytes, so that a repeated query costs one look-up and an ID.

resolver.answering.ready reads `entries`; whatever fills it goes through `AnswerTable`, which keeps the bound.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from resolver.system.discards import DISCARDS
from resolver.telemetry.counters import Account
from resolver.wire.codes import HEADER
from resolver.wire.question import Question
from resolver.wire.response import options_at

FOR_EVER: Final = math.inf
MAX_ENTRY_OCTETS: Final = 1536  # of key and answer: room for every answer over UDP, and a bound in memory for the table
PLACE_OCTETS: Final = 512  # an entry takes a place for each so many that it has, and one for itself

_NONE: Final = b"\x00\x00"


class CachedOrigin:
    """The cache entry that an answer was made from, and the bound of its TTLs: from these it is renewed each second."""

    __slots__ = ("cache_key", "most_seconds", "stored_at")

    def __init__(self, cache_key: bytes, stored_at: float, most_seconds: int | None) -> None:
        self.cache_key = cache_key
        self.stored_at = stored_at
        self.most_seconds = most_seconds


class Prepared:
    """A finished answer, and the account that it is counted under, flat, since every repeated query reads it.

    It has what is before the question and what is behind it: the question is the query's own, in its letter case, and
    so names that are answered alike share both parts. A reply is ID, head, question and rest.

    * `head`: the header after the ID; `rest`: all behind the question;
    * `question_end`: the offset in the query at which the question ends;
    * `options_at`: the offset, in `rest`, of the RDLENGTH of the OPT record that it ends with, 0 where it has none;
    * `ends_at`: the (monotonic) second from which on it is none any more;
    * `origin`: where it can be renewed then.
    """

    __slots__ = ("cell", "ends_at", "facts", "head", "kind", "options_at", "origin", "question_end", "rest", "sort")

    def __init__(
        self, question: Question, answer: bytes, ends_at: float, account: Account, origin: CachedOrigin | None
    ) -> None:
        """`answer` is a whole message."""
        end = question.end
        self.head = answer[2:HEADER]
        self.rest = answer[end:]
        self.question_end = end
        self.options_at = options_at(answer, end) - end if question.edns and answer[10:12] != _NONE else 0
        self.ends_at = ends_at
        self.origin = origin
        self.cell, self.kind, self.facts, self.sort = account

    def places(self, key: bytes) -> int:
        """How many of the table's places it takes, with its key."""
        return 1 + (len(key) + len(self.rest)) // PLACE_OCTETS

    def renew(self, body: bytes, ends_at: float) -> None:
        """Go on with other TTLs: `body`, of the same length, follows the question."""
        self.rest = body + self.rest[len(body) :]
        self.ends_at = ends_at

    def reply(self, query: bytes) -> bytes:
        """The answer to a query of the same key, with its ID and in its letter case."""
        return b"".join((query[:2], self.head, query[HEADER : self.question_end], self.rest))

    def reply_with(self, query: bytes, option: bytes) -> bytes:
        """The same with one more option in the OPT record; where there is none, without."""
        at = self.options_at
        if not at:
            return self.reply(query)
        rest = self.rest
        told = ((rest[at] << 8 | rest[at + 1]) + len(option)).to_bytes(2, "big")
        asked = query[HEADER : self.question_end]
        return b"".join((query[:2], self.head, asked, rest[:at], told, rest[at + 2 :], option))


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

    def put(
        self, question: Question, answer: bytes, ends_at: float, account: Account, origin: CachedOrigin | None = None
    ) -> None:
        """Keep `answer` (a whole message) for queries with its key until `ends_at`, unless it is unusually large."""
        key = question.table_key
        if len(key) + len(answer) > MAX_ENTRY_OCTETS:
            return
        budget = self._budget
        before = self.entries.get(key)
        if before is not None:
            budget.stored -= before.places(key)
        prepared = Prepared(question, answer, ends_at, account, origin)
        budget.make_room(prepared.places(key))
        self.entries[key] = prepared
        prepared.head = budget.shared(prepared.head)
        if origin is None:
            prepared.rest = budget.shared(prepared.rest)


class TableBudget:
    """The bound that all tables of a worker share: the places that their entries take."""

    def __init__(self, most: int, dropped: Counter[str]) -> None:
        self.tables: list[AnswerTable] = []
        self.stored = 0  # places taken
        self._most = most
        self._dropped = dropped
        self._parts: dict[bytes, bytes] = {}  # of answers, that many have
        self._put = 0  # places taken since these were forgotten: they outlive entries that are replaced

    def make_room(self, places: int) -> None:
        """Take so many; start all tables afresh where there are none left."""
        self._put += places
        if self._put > self._most:
            DISCARDS.empty(self._parts)
            self._put = places
        self.stored += places
        if self.stored <= self._most:
            return
        held = 0
        for table in self.tables:
            held += len(table.entries)
            DISCARDS.empty(table.entries)
        self._dropped["answer_table_entries"] += held
        self.stored = places

    def shared(self, part: bytes) -> bytes:
        """The part of an answer that another one has already, which is equal; else this one."""
        return self._parts.setdefault(part, part)

    def give_up(self) -> None:
        """Forget all answers, and the tables, which know this bound: as a cycle they would stay for a long time."""
        for table in self.tables:
            DISCARDS.empty(table.entries)
        self.tables.clear()
        DISCARDS.empty(self._parts)
