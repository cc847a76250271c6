"""Subjects of a policy: leases, exemptions and pauses, which end by themselves.

They change thousands of times a minute, and only say which view a client has: no rule is compiled, and no answer
forgotten, when they do.

An end is reckoned on two clocks: the wall clock, and the one that counts from the machine's start. What comes first
ends it: a wall clock that is set back prolongs nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from resolver.policy.groups import Address
from resolver.policy.moments import End, Moment

EVERYONE: Final = None
"""The result of `Subjects.apply` when a record may concern any client."""

Kind = Literal["client", "network", "group", "identity"]
Plain = list[Any]  # a record as a journal has it


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that is somebody's for a while. `group` None: the group is the one that its network gives."""

    address: str
    identity: str
    group: str | None
    ends: End

    @property
    def key(self) -> str:
        """The key that a record drops it by."""
        return self.address

    def to_plain(self) -> Plain:
        """As a record."""
        return ["lease", self.address, self.identity, self.group, self.ends.plain]


@dataclass(frozen=True, slots=True)
class Exemption:
    """Clients (`who`: addresses, networks, groups or identities, by `kind`) for whom some blocks do not count.

    `scope` names sets, vendors, services, lists and domain names; `starts` is Unix time.
    """

    id: str
    kind: Kind
    who: tuple[str, ...]
    scope: tuple[str, ...]
    starts: float
    ends: End

    @property
    def key(self) -> str:
        """The key that a record drops it by."""
        return self.id

    def to_plain(self) -> Plain:
        """As a record."""
        return ["exemption", self.id, self.kind, list(self.who), list(self.scope), self.starts, self.ends.plain]


@dataclass(frozen=True, slots=True)
class Pause:
    """A group, or everyone (None), is only watched for a while."""

    id: str
    group: str | None
    ends: End

    @property
    def key(self) -> str:
        """The key that a record drops it by."""
        return self.id

    def to_plain(self) -> Plain:
        """As a record."""
        return ["pause", self.id, self.group, self.ends.plain]


Subject = Lease | Exemption | Pause


def subject_of(plain: Plain) -> Subject:
    """Read what `to_plain` gave. Raises ValueError, TypeError or KeyError for anything else."""
    what, *facts, end = plain
    ends = End(*end)
    if what == "exemption":
        number, kind, who, scope, starts = facts
        return Exemption(number, kind, tuple(who), tuple(scope), starts, ends)
    if what == "pause":
        number, group = facts
        return Pause(number, group, ends)
    address, identity, group = facts
    return Lease(address, identity, group, ends)


def dropped(subject: Subject) -> Plain:
    """The record that takes a subject away."""
    return ["drop", subject.to_plain()[0], subject.key]


class Subjects:
    """All of them, found by client."""

    def __init__(self, subjects: Iterable[Subject] = ()) -> None:
        self.leases: dict[str, Lease] = {}
        self.exemptions: dict[str, Exemption] = {}
        self.pauses: dict[str, Pause] = {}
        self._holders: dict[Kind, dict[str, dict[str, Exemption]]] = {"client": {}, "group": {}, "identity": {}}
        self._networks: dict[tuple[int, int], dict[int, dict[str, Exemption]]] = {}  # by version and host bits
        for subject in subjects:
            self.put(subject)

    def __len__(self) -> int:
        return len(self.leases) + len(self.exemptions) + len(self.pauses)

    def __iter__(self) -> Iterator[Subject]:
        yield from self.leases.values()
        yield from self.exemptions.values()
        yield from self.pauses.values()

    def apply(self, record: Plain) -> tuple[str, ...] | None:
        """Take a record in; gives the addresses that it concerns, or EVERYONE."""
        if record[0] != "drop":
            return self.put(subject_of(record))
        _, what, key = record
        return self.drop(what, key)

    def put(self, subject: Subject) -> tuple[str, ...] | None:
        """Add a subject, or put it in the place of the one of its key."""
        if isinstance(subject, Lease):
            self.leases[subject.address] = subject
            return (subject.address,)
        if isinstance(subject, Pause):
            self.pauses[subject.id] = subject
            return EVERYONE
        self.drop("exemption", subject.id)
        self.exemptions[subject.id] = subject
        for places, place in self._places(subject):
            places.setdefault(place, {})[subject.id] = subject
        return subject.who if subject.kind == "client" else EVERYONE

    def drop(self, what: str, key: str) -> tuple[str, ...] | None:
        """Take one away, if it is there."""
        if what == "lease":
            self.leases.pop(key, None)
            return (key,)
        if what == "pause":
            self.pauses.pop(key, None)
            return EVERYONE
        exemption = self.exemptions.pop(key, None)
        if exemption is None:
            return ()
        for places, place in self._places(exemption):
            held = places.get(place, {})
            held.pop(key, None)
            if not held:
                places.pop(place, None)
        return exemption.who if exemption.kind == "client" else EVERYONE

    def find(self, what: str, key: str) -> Subject | None:
        """One of them; None where there is none."""
        if what == "lease":
            return self.leases.get(key)
        return self.exemptions.get(key) if what == "exemption" else self.pauses.get(key)

    def over(self, now: Moment) -> list[Subject]:
        """Those whose end has come."""
        return [subject for subject in self if subject.ends.seconds_left(now) <= 0]

    def lease_of(self, address: Address, now: Moment) -> Lease | None:
        """The lease on an address."""
        lease = self.leases.get(str(address))
        return lease if lease is not None and lease.ends.seconds_left(now) > 0 else None

    def exemptions_for(self, address: Address, identity: str | None, group: str) -> list[Exemption]:
        """All that may concern a client, over or not yet begun ones too; by id."""
        if not self.exemptions:
            return []
        found = dict(self._holders["client"].get(str(address), {}))
        found.update(self._holders["group"].get(group, {}))
        if identity is not None:
            found.update(self._holders["identity"].get(identity, {}))
        for (version, shift), holders in self._networks.items():
            if version == address.version:
                found.update(holders.get(int(address) >> shift, {}))
        return [found[key] for key in sorted(found)]

    def pauses_for(self, group: str) -> list[Pause]:
        """The pauses of a group, and of everyone."""
        return [pause for pause in self.pauses.values() if pause.group in (None, group)]

    def _places(self, exemption: Exemption) -> Iterator[tuple[dict[Any, dict[str, Exemption]], Any]]:
        """The tables that it is found in, and its place in each."""
        for who in exemption.who:
            if exemption.kind == "network":
                network = ipaddress.ip_network(who)
                shift = network.max_prefixlen - network.prefixlen
                table = self._networks.setdefault((network.version, shift), {})
                yield table, int(network.network_address) >> shift
            else:
                yield self._holders[exemption.kind], who
