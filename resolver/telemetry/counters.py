"""Counters of a worker: each answer under all that it was, in cells that are bumped on the query path.

A cell's key says what it counts, as a JSON array (compact, so that equal keys are equal texts):

* ``["answer", outcome, group, service, list, qtype, rcode, protocol, exemption, domain]``: service, list, exemption and
  domain of hits only;
* ``["client", client, kind]``: four in a row for a client, by kind;
* ``["identity", identity, kind, service, exemption]``: hits of a person, however many addresses; null for those of all
  persons that have no room;
* ``["seconds", verdict, le]`` and ``["seconds_sum", verdict]`` (microseconds): of queries that waited for an upstream;
* ``["dropped", what]``, ``["cache", what]``, ``["upstream", name, result]``, ``["upstream_seconds", name, le]``,
  ``["upstream_seconds_sum", name]``: brought up to date each second.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from resolver.system.discards import DISCARDS
from resolver.telemetry.counter_file import CounterFile, MemoryCells
from resolver.telemetry.json_text import array_of
from resolver.telemetry.query_blocks import LogFacts
from resolver.telemetry.recording import Recording

KINDS: Final[tuple[str, ...]] = ("blocked", "monitored", "exempted", "other")
BUCKETS: Final[tuple[float, ...]] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram of durations, in seconds. Queries that are answered at once are in the first."""
BUCKET_NAMES: Final[tuple[str, ...]] = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")
"""The same as histograms write them, and that of all longer ones."""

_RESERVED_CELLS = 8_192  # for all that is bounded by itself; names and clients get the others
_OTHER = "other"
_OF_PERSON = '["identity",'


def without_person(key: str, is_theirs: Callable[[str], bool]) -> str:
    """A cell's key; where it counts the hits of a person of those, that of all persons that have no room."""
    if not key.startswith(_OF_PERSON):
        return key
    parts: list[str | None] = json.loads(key)
    identity = parts[1]
    return array_of([parts[0], None, *parts[2:]]) if identity is not None and is_theirs(identity) else key


class Outcome(IntEnum):
    """Outcomes of a query. Each query has exactly one; monitored and exempted are parts of cached and forwarded."""

    BLOCKED = 0
    CACHED = 1
    CACHED_MONITORED = 2
    CACHED_EXEMPTED = 3
    FORWARDED = 4
    FORWARDED_MONITORED = 5
    FORWARDED_EXEMPTED = 6
    FAILED = 7  # SERVFAIL, and queries that were not well-formed
    REFUSED = 8  # by clients.allow, or not ours to answer


OUTCOMES: Final[tuple[str, ...]] = tuple(outcome.name.lower() for outcome in Outcome)
KIND_OF: Final[tuple[int, ...]] = (0, 3, 1, 2, 3, 1, 2, 3, 3)  # by outcome: an index into KINDS
_LET_THROUGH: Final = ("allow", "monitor", "exempt")  # from the cache, and by an upstream
VERDICT_OF: Final[tuple[str, ...]] = ("block", *_LET_THROUGH, *_LET_THROUGH, "failed", "refused")
"""The verdict that metrics show for an outcome."""

# What an answer is counted as: its cell, which of its client's cells (KINDS), what the query log says of it, None where
# it says nothing, and its sort of hits, NO_SORT where it is none.
Account = tuple[int, int, LogFacts | None, int]
NO_SORT: Final = -1

Sort = tuple[str, str | None, str | None]
"""A sort of hits: kind, service, exemption."""

# What an answer is counted under, beside its outcome: group, service, list, qtype, rcode, protocol, exemption,
# domain.
Facts = tuple[str, str | None, str | None, str | None, str, str, str | None, str | None]


class PersonHits:
    """The hits of whose a client is: `cells` by sort, as far as it had some."""

    __slots__ = ("cells", "identity")

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.cells: dict[int, int] = {}


class Counters:
    """The counters of one worker. `cells` is read by the UDP readers at each wake-up: it is another after `move`."""

    def __init__(
        self, store: MemoryCells | None = None, *, detailed: bool = False, recording: Recording | None = None
    ) -> None:
        """`detailed`: count by name and by client, too; `recording`: what may be recorded of a client."""
        self.dropped: Counter[str] = Counter()
        self._detailed = detailed
        self.recording = recording or Recording()
        self._moved: Counter[str] = Counter()  # outcomes counted before the last move
        self._synced: Counter[str] = Counter()
        self._begin(store or MemoryCells())

    def _begin(self, store: MemoryCells) -> None:
        self.store = store
        self.cells = store.cells
        self._answers: dict[tuple[int, Facts], int] = {}
        self._waits: dict[tuple[int, int], tuple[int, int]] = {}  # by outcome and bucket: that bucket's cell, the sum's
        self._others: dict[str, int] = {}
        self._client_cells: dict[str, int] = {}
        self._sorts: dict[Sort, int] = {}
        self._sort_keys: list[Sort] = []  # by number
        self._person_cells: dict[tuple[str | None, int], int] = {}
        self._lost = self._new(["dropped", "statistics_keys"])
        self._everyone = self._row(_OTHER if self.recording.clients != "hidden" else "")

    def move(self, store: MemoryCells) -> None:
        """Go on in new cells; indices of the old ones are worth nothing from now on."""
        self._moved = self.outcomes()
        self.store.close()
        DISCARDS.give_up(self._answers)
        DISCARDS.give_up(self._client_cells)
        DISCARDS.give_up(self._person_cells)
        self._begin(store)

    @property
    def has_file(self) -> bool:
        """Whether counts outlive this process."""
        return isinstance(self.store, CounterFile)

    def settle(self, store: CounterFile) -> None:
        """Go on in a file, after a time without one: what was counted goes along, and indices stay what they are."""
        if store.take_over(self.store):
            self.store, self.cells = store, store.cells

    def answer(self, outcome: int, facts: Facts) -> int:
        """The cell of an answer."""
        cell = self._answers.get((outcome, facts))
        return self._new_answer(outcome, facts) if cell is None else cell

    def _new_answer(self, outcome: int, facts: Facts) -> int:
        cell: int | None = None
        if facts[-1] is None:
            cell = self._new(["answer", OUTCOMES[outcome], *facts])
        elif self._detailed:
            cell = self.store.intern(array_of(["answer", OUTCOMES[outcome], *facts]), reserve=_RESERVED_CELLS)
        if cell is None:  # all such names share one, and none of them is remembered: there is no end of them
            return self.answer(outcome, (*facts[:-1], None))
        self._answers[outcome, facts] = cell
        return cell

    def client(self, name: str) -> int:
        """The first of a client's cells, one for each of KINDS; `name` is what is recorded of its address."""
        if not self._detailed:
            return self._everyone
        cell = self._client_cells.get(name)
        if cell is None:
            if not name or self.store.intern(array_of(["client", name, KINDS[0]]), reserve=_RESERVED_CELLS) is None:
                return self._everyone
            cell = self.store.used - 1
            for kind in KINDS[1:]:
                self._new(["client", name, kind])
            self._client_cells[name] = cell
        return cell

    def person(self, identity: str | None) -> PersonHits | None:
        """Where hits of whose a client is are counted; None where they are not. Worth nothing after `move`."""
        return PersonHits(identity) if identity is not None and self._detailed else None

    def sort(self, kind: str, service: str | None, exemption: str | None) -> int:
        """The number of a sort of hits, by which a person's cells are found; `kind` is one of KINDS."""
        key = (kind, service, exemption)
        number = self._sorts.get(key)
        if number is None:
            number = self._sorts[key] = len(self._sort_keys)
            self._sort_keys.append(key)
        return number

    def person_cell(self, person: PersonHits, sort: int) -> int:
        """The cell of a person's hits of a sort, which `person` then has."""
        cell = self._person_cells.get((person.identity, sort))
        if cell is None:
            cell = self.store.intern(
                array_of(["identity", person.identity, *self._sort_keys[sort]]), reserve=_RESERVED_CELLS
            )
            if cell is not None:
                self._person_cells[person.identity, sort] = cell
            else:  # all persons without room share one
                kind, service, _ = self._sort_keys[sort]
                cell = self._nobodys_cell(self.sort(kind, service, None))
        person.cells[sort] = cell
        return cell

    def _nobodys_cell(self, sort: int) -> int:
        cell = self._person_cells.get((None, sort))
        if cell is None:
            cell = self._person_cells[None, sort] = self._new(["identity", None, *self._sort_keys[sort]])
        return cell

    def is_of_one_client(self, cell: int) -> bool:
        """Whether a client's cell counts one address alone, rather than a network's, or everybody's."""
        return cell != self._everyone and self.recording.tells_clients_apart

    def waited(self, outcome: int, seconds: float) -> None:
        """Note how long a query took that was not answered at once."""
        bucket = bisect_left(BUCKETS, seconds)
        places = self._waits.get((outcome, bucket))
        if places is None:
            verdict = VERDICT_OF[outcome]
            of_bucket, of_sum = array_of(["seconds", verdict, BUCKET_NAMES[bucket]]), array_of(["seconds_sum", verdict])
            places = self._waits[outcome, bucket] = self._other(of_bucket), self._other(of_sum)
        in_bucket, in_sum = places
        self.cells[in_bucket] += 1
        self.cells[in_sum] += int(seconds * 1e6)

    def sync(self, elsewhere: dict[tuple[str, ...], int]) -> None:
        """Bring what is counted elsewhere into cells, by key: drops, and what upstreams did."""
        now = Counter({array_of(["dropped", what]): count for what, count in self.dropped.items()})
        now.update({array_of([*key]): count for key, count in elsewhere.items()})
        for key, count in now.items():
            if more := count - self._synced[key]:
                self.cells[self._other(key)] += more
        self._synced = now

    def outcomes(self) -> Counter[str]:
        """Queries by outcome, since the worker began."""
        total = Counter(self._moved)
        of_cell = {cell: outcome for (outcome, _), cell in self._answers.items()}  # where it is full, names share one
        for cell, outcome in of_cell.items():
            total[OUTCOMES[outcome]] += self.cells[cell]
        return total

    def to_plain(self) -> dict[str, dict[str, int]]:
        """As it is reported, without zeros."""
        outcomes = {name: count for name, count in self.outcomes().items() if count}
        return {"outcomes": outcomes, "dropped": dict(self.dropped)}

    def _row(self, name: str) -> int:
        first = self._new(["client", name, KINDS[0]])
        for kind in KINDS[1:]:
            self._new(["client", name, kind])
        return first

    def _new(self, key: list[str | None]) -> int:
        cell = self.store.intern(array_of(key))
        return self._lost if cell is None else cell

    def _other(self, key: str) -> int:
        cell = self._others.get(key)
        if cell is None:
            made = self.store.intern(key)
            cell = self._others[key] = self._lost if made is None else made
        return cell
