"""From what cells have gained to rows of the roll-ups and to metrics' totals."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Final

from admin_api.statistics.sketch import hash_of

OF_PEOPLE: Final = ("identity", "identity/vendor", "exemption/identity")
"""Dimensions of whose clients are, under a bound of their own."""
HIT_DIMENSIONS: Final = (
    *("service", "vendor", "list", "domain", "group", "client", "exemption", "group/vendor"),
    *OF_PEOPLE,
)
MOST_KEYS: Final = 10_000
"""Keys of a dimension, but of those OF_PEOPLE, in one minute, hour or day; all others are in sum under OTHER."""
OTHER: Final = "other"
ERASED: Final = "erased"
"""Key of hits of those who were erased, in the dimensions OF_PEOPLE."""
_RESERVED: Final = (OTHER, ERASED)
_NAMED: Final = "'"  # ends the key of what is called so itself

_KINDS = {
    "blocked": "blocked",
    "cached_monitored": "monitored",
    "forwarded_monitored": "monitored",
    "cached_exempted": "exempted",
    "forwarded_exempted": "exempted",
}
_MOST_PARSED = 8_192  # keys that are kept parsed, a KiB each; parsing one takes some 3 µs
_OF_ANSWER = '["answer",'
TOLD_LOST: Final = OF_PEOPLE[1]
"""The dimension, that with most keys, whose hits under OTHER are counted as LOST."""
LOST: Final = '["dropped","statistics_identities"]'
"""The total of hits that are counted as nobody's."""
_TOTALLED: Final = frozenset(  # kinds of cells that metrics show; none names anybody
    (
        *("answer", "seconds", "seconds_sum", "dropped", "cache", "remark"),
        *("upstream", "upstream_seconds", "upstream_seconds_sum"),
    )
)
Gain = tuple[str, int]  # a cell's key, and by how much it grew
Row = tuple[str, str, str]  # dimension, key, kind


def is_total(key: str) -> bool:
    """Whether a cell's key may be among the metrics' totals; an earlier version put in what it did not know, people."""
    return str(_parsed(key)[0]) in _TOTALLED


def key_of(name: str) -> str:
    """The key of a group, a domain, a person: of one that is called `other` another than that of the sum."""
    return name + _NAMED if name.rstrip(_NAMED) in _RESERVED else name


def name_of(key: str) -> str:
    """The name that a key is of; OTHER for the sum, too."""
    return key[: -len(_NAMED)] if key not in _RESERVED and key.rstrip(_NAMED) in _RESERVED else key


class Gains:
    """Counts gained since the last fold. `known` are the keys that the minute has already, by dimension."""

    def __init__(
        self, gains: Iterable[Gain], known: Mapping[str, Set[str]] | None = None, most_of_people: int = MOST_KEYS
    ) -> None:
        """`most_of_people`: keys of each dimension OF_PEOPLE."""
        self._most_of_people = most_of_people
        self.rows: Counter[Row] = Counter()
        self.totals: Counter[str] = Counter()  # of metrics: keys without names and clients
        self.clients: set[int] = set()
        by_facts: Counter[str] = Counter()  # names have few: each is worked out once
        for key, count in gains:
            if key.startswith(_OF_ANSWER):
                facts, domain = _without_domain(key)
                by_facts[facts] += count
                kind = _KINDS.get(str(_parsed(facts)[1]))
                if kind is not None:
                    self.rows["domain", key_of(domain) if domain else OTHER, kind] += count
            else:
                self._take(_parsed(key), key, count)
        for facts, count in by_facts.items():
            self._answer(_parsed(facts), count)
        self._bound(known or {})

    @property
    def keys(self) -> dict[str, set[str]]:
        """The keys of the rows that take room, by dimension."""
        found: dict[str, set[str]] = {dimension: set() for dimension in HIT_DIMENSIONS}
        for dimension, key, _ in self.rows:
            if dimension in found and key != OTHER:
                found[dimension].add(key)
        return found

    def _take(self, parts: tuple[str | None, ...], key: str, count: int) -> None:
        if parts[0] == "client":
            client, kind = str(parts[1]), str(parts[2])
            if client and client != OTHER:
                self.clients.add(hash_of(client))
            if client and kind != "other":
                self.rows["client", client, kind] += count
        elif parts[0] == "identity":
            self._person(parts, count)
        elif parts[0] in _TOTALLED:  # of a later version, what is counted besides may name somebody
            self.totals[key] += count

    def _person(self, parts: tuple[str | None, ...], count: int) -> None:
        _, identity, kind, service, exemption = parts
        if identity is None:  # who had no room in a worker
            for dimension in OF_PEOPLE[:2]:
                self.rows[dimension, OTHER, str(kind)] += count
            self.totals[LOST] += count
            return
        vendor = service.partition("/")[0] if service else ""
        self.rows["identity", key_of(identity), str(kind)] += count
        self.rows["identity/vendor", f"{identity}/{vendor}", str(kind)] += count
        if exemption:
            self.rows["exemption/identity", f"{exemption}/{identity}", str(kind)] += count

    def _answer(self, parts: tuple[str | None, ...], count: int) -> None:
        _, outcome, group, service, in_list, qtype, rcode, protocol, *exemptions = parts
        exemption = exemptions[0] if exemptions else None  # an earlier version counted none
        rows = self.rows
        rows["outcome", str(outcome), ""] += count
        rows["qtype", qtype or OTHER, ""] += count
        rows["rcode", str(rcode), ""] += count
        rows["protocol", str(protocol), ""] += count
        kind = _KINDS.get(str(outcome))
        vendor = service.partition("/")[0] if service else None
        if kind is not None:
            rows["group", key_of(str(group)), kind] += count
            rows["group/vendor", f"{group}/{vendor or ''}", kind] += count
            named = (("service", service), ("vendor", vendor), ("list", in_list), ("exemption", exemption))
            for dimension, name in named:
                if name:
                    rows[dimension, key_of(name), kind] += count
        self.totals[json.dumps(["answer", outcome, group, vendor, qtype, rcode, protocol])] += count

    def _bound(self, known: Mapping[str, Set[str]]) -> None:
        for dimension in HIT_DIMENSIONS:
            before = known.get(dimension, frozenset())
            keys: Counter[str] = Counter()
            for (of, key, _), count in self.rows.items():
                if of == dimension and key != OTHER and key not in before:
                    keys[key] += count
            most = self._most_of_people if dimension in OF_PEOPLE else MOST_KEYS
            room = max(most - len(before), 0)
            if len(keys) <= room:
                continue
            lost = keys.keys() - {key for key, _ in keys.most_common(room)}
            for row in [row for row in self.rows if row[0] == dimension and row[1] in lost]:
                count = self.rows.pop(row)
                self.rows[dimension, OTHER, row[2]] += count
                if dimension == TOLD_LOST:
                    self.totals[LOST] += count


def _without_domain(key: str) -> tuple[str, str | None]:
    """The key of an answer without its last entry, the domain, as JSON; and that.

    No string of JSON holds a quotation mark that no backslash is before, and so none holds the two characters that the
    last entry begins with.
    """
    if not key.endswith('"]'):
        return f"{key[: key.rindex(',')]}]", None
    at = key.rindex(',"')
    domain = key[at + 1 : -1]
    return f"{key[:at]}]", domain[1:-1] if "\\" not in domain else str(json.loads(domain))


@functools.lru_cache(maxsize=_MOST_PARSED)
def _parsed(key: str) -> tuple[str | None, ...]:
    return tuple(json.loads(key))
