"""Domains of the day, in memory only: what was seen of each, and the evidence that it is an AI service's."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from admin_api.unlisted.reading import ListedName, SeenName, text_of
from admin_api.unlisted.sketch import DailyKey, count_of
from blocklists.likeness.evidence import Evidence, score_of
from blocklists.likeness.judge import Company, Likeness
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.ip_keys import keys_of_address

_MOST_HOSTS: Final = 6  # of a domain, that are remembered and shown
_MOST_BY_TRAFFIC: Final = 3  # pieces of evidence by targets and addresses, of a domain
_MOST_LISTED_ADDRESSES: Final = 2_000
_MOST_SHARERS: Final = 3  # domains at one address; more share it with everybody
_HOSTS_A_NAME: Final = 4  # names whose domain is remembered, by most domains


@dataclass(slots=True)
class Candidate:
    """One domain, as far as it was seen today."""

    domain: str
    hosts: list[str]
    first_at: float  # Unix seconds
    last_at: float
    named: tuple[Evidence, ...] = ()  # by its names and by lists
    by_traffic: tuple[Evidence, ...] = ()  # by where its answers lead
    queries: int = 0
    near: int = 0
    clients: int = 0  # a bitmap (sketch.py)
    near_clients: int = 0  # likewise
    written: int = 0  # of its queries
    is_changed: bool = False

    @property
    def has_evidence(self) -> bool:
        """Whether anything speaks for it beside its company."""
        return bool(self.named or self.by_traffic)


@dataclass(slots=True)
class _ListedAddress:
    """A listed name that led to an address, and domains that did as well."""

    name: str
    sharers: set[str] = field(default_factory=set)


class Candidates:
    """The domains of one day, at most `most`; others are dropped and counted."""

    def __init__(
        self,
        likeness: Likeness,
        local: tuple[str, ...],
        most: int,
        dropped: Counter[str],
        new_key: Callable[[], DailyKey] = DailyKey,
    ) -> None:
        """`local` are zones whose names are the company's own; `new_key` makes the key of a day."""
        self._new_key = new_key
        self._likeness = likeness
        self._local = tuple(f".{zone}" for zone in local)
        self._most = most
        self._dropped = dropped
        self._snapshot: PolicySnapshot | None = None
        self._domains: dict[str, str | None] = {}  # by key of a name; None for what is of no interest
        self._addresses: OrderedDict[str, _ListedAddress] = OrderedDict()
        self.begin_day()

    def begin_day(self) -> None:
        """Forget all, and the key with it."""
        self._key = self._new_key()
        self._found: dict[str, Candidate] = {}
        self._changed: list[Candidate] = []
        self._queries = self._near = 0
        self._domains.clear()  # else names of the day before would lead to candidates that are gone
        self._addresses.clear()

    def __len__(self) -> int:
        return len(self._found)

    def take(self, one: SeenName | ListedName, snapshot: PolicySnapshot, at: float) -> None:
        """Take what a worker tells. `snapshot` is the policy in force, `at` Unix seconds."""
        if isinstance(one, ListedName):
            self._note_listed(one)
            return
        if snapshot is not self._snapshot:  # what is listed may be another matter now
            self._snapshot = snapshot
            self._domains.clear()
        self._queries += one.queries
        if one.is_near:
            self._near += one.queries
        domain = self._domains.get(one.key, "")
        if domain == "":
            domain = self._learn(one.key, snapshot, at)
        if domain is None or (candidate := self._found.get(domain)) is None:
            return
        candidate.queries += one.queries
        candidate.last_at = at
        if not candidate.is_changed:
            candidate.is_changed = True
            self._changed.append(candidate)
        if one.targets or one.addresses:
            self._look_at_answer(candidate, one, snapshot)
        if candidate.has_evidence or one.is_near:
            bit = self._key.bit_of(one.client) if one.client else 0
            candidate.clients |= bit
            if one.is_near:
                candidate.near += one.queries
                candidate.near_clients |= bit

    def _learn(self, key: str, snapshot: PolicySnapshot, at: float) -> str | None:
        """The domain of a name that was not seen yet, with its candidate made; None for what is of no interest."""
        name = text_of(key)
        domain = None if name is None or self._is_local(name) else self._likeness.registrable(name)
        if name is not None and domain is not None and not listed_as(snapshot, key.encode("latin-1")):
            candidate = self._found.get(domain)
            if candidate is None:
                if len(self._found) >= self._most:
                    self._dropped["unlisted_names"] += 1
                    return None
                candidate = self._found[domain] = Candidate(domain, [], at, at)
            if len(candidate.hosts) < _MOST_HOSTS:
                candidate.hosts.append(name)
                by_name = self._likeness.by_name(domain, candidate.hosts)
                candidate.named = (*by_name, *self._likeness.by_lists(domain))
        else:
            domain = None
        if len(self._domains) >= self._most * _HOSTS_A_NAME:
            self._domains.clear()
        self._domains[key] = domain
        return domain

    def _is_local(self, name: str) -> bool:
        return f".{name}".endswith(self._local) if self._local else False

    def _note_listed(self, one: ListedName) -> None:
        name = text_of(one.key)
        if name is None:
            return
        for address in one.addresses:
            if address not in self._addresses:
                if len(self._addresses) >= _MOST_LISTED_ADDRESSES:
                    self._addresses.popitem(last=False)
                self._addresses[address] = _ListedAddress(name)

    def _look_at_answer(self, candidate: Candidate, one: SeenName, snapshot: PolicySnapshot) -> None:
        """Look where its answer leads: to a name that is listed or beside one, or to the address of one."""
        if len(candidate.by_traffic) >= _MOST_BY_TRAFFIC:
            return
        found: list[Evidence] = []
        for key in one.targets:
            target = text_of(key)
            if target is not None and not f".{target}".endswith(f".{candidate.domain}"):
                piece = self._likeness.by_target(target, listed_as(snapshot, key.encode("latin-1")))
                found += [piece] if piece is not None else []
        for address in one.addresses:
            known = self._addresses.get(address)
            if known is not None:
                if len(known.sharers) <= _MOST_SHARERS:
                    known.sharers.add(candidate.domain)
                if len(known.sharers) <= _MOST_SHARERS:
                    found.append(self._likeness.by_address(known.name))
            elif snapshot.stack.judges_addresses and (rule := _address_rule(snapshot, address)):
                found.append(self._likeness.by_address(rule))
        new = [piece for piece in dict.fromkeys(found) if piece not in candidate.by_traffic]
        candidate.by_traffic = (*candidate.by_traffic, *new)[:_MOST_BY_TRAFFIC]

    def evidence_of(self, candidate: Candidate) -> tuple[Evidence, ...]:
        """All evidence on a domain, the strongest first."""
        usual = self._near / self._queries if self._queries else 0.0
        company = Company(candidate.queries, candidate.near, count_of(candidate.near_clients), usual)
        by_company = self._likeness.by_company(company)
        pieces = (*candidate.named, *candidate.by_traffic, *(() if by_company is None else (by_company,)))
        return tuple(sorted(pieces, key=lambda piece: -piece.points))

    def changed(self, least_score: int) -> list[tuple[Candidate, tuple[Evidence, ...]]]:
        """Domains seen since they were last asked for here, with so much evidence."""
        found = []
        changed, self._changed = self._changed, []
        for candidate in changed:
            candidate.is_changed = False
            if candidate.has_evidence or candidate.near:
                evidence = self.evidence_of(candidate)
                if score_of(evidence) >= least_score:
                    found.append((candidate, evidence))
        return found

    def forget(self, least_score: int) -> int:
        """Forget what has too little evidence; gives how many."""
        kept = {
            domain: candidate
            for domain, candidate in self._found.items()
            if score_of(self.evidence_of(candidate)) >= least_score
        }
        gone = len(self._found) - len(kept)
        if gone:
            self._found = kept
            self._domains.clear()
        return gone


def listed_as(snapshot: PolicySnapshot, key: bytes) -> str | None:
    """The list or service that has a rule for a name, whether any group has it in force or not; None where none has."""
    stack = snapshot.stack
    walked = stack.walk(key)
    if not walked and not stack.must_search(walked):
        return None
    matches = stack.matches(key, walked)
    return stack.sources[matches[0][1][0].source].name if matches else None


def _address_rule(snapshot: PolicySnapshot, address: str) -> str | None:
    try:
        packed = bytes.fromhex(address)
    except ValueError:
        return None
    for key in keys_of_address(packed) if len(packed) in (4, 16) else ():
        walked = snapshot.stack.walk(key)
        if walked and (matches := snapshot.stack.matches_of_address(walked)):
            return snapshot.stack.sources[matches[0][1][0].source].name
    return None
