"""The state of vendors and services for one group, and the changes of its `block` and `allow` that switches make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from admin_api.api import models
from admin_api.store.policy import DEFAULT_BLOCK
from blocklists.catalogue import KINDS_OF_SET, Kind
from resolver.config.references import KIND_PREFIX


@dataclass(frozen=True, slots=True)
class State:
    """State of one name. `key`: blocked, watched, allowed, none or own; `because` says by which names of the group.

    `own` is how the group names it itself: block, allow, both or "".
    """

    key: str
    word: str
    because: str
    own: str


@dataclass(frozen=True, slots=True)
class GroupPolicy:
    """A group's, with `block` filled in. `follows`: it has no `block` of its own."""

    block: tuple[str, ...]
    allow: tuple[str, ...]
    follows: bool
    own_vendors: frozenset[str]
    names_of: Mapping[str, tuple[str, ...]]  # of services: all by which a group may name them
    watch: tuple[str, ...] = ()  # that is watched now

    def of_set(self, name: str) -> State:
        """The state of a set."""
        return self._state((name,), name)

    def of_vendor(self, vendor: models.CatalogueVendor) -> State:
        """The state of all that a vendor has; services may stand otherwise."""
        if vendor.vendor in self.own_vendors:
            return State("own", "not in force", "it is an own vendor: see policy.own_vendors", self._own(vendor.vendor))
        return self._state((vendor.vendor, *_sets_with(vendor.kind)), vendor.vendor)

    def of_service(self, vendor: models.CatalogueVendor, service: models.CatalogueService) -> State:
        """The state of a service's names."""
        names = self.names_of[service.id]
        if vendor.vendor in self.own_vendors:
            return State("own", "not in force", "its vendor is an own vendor", self._own(service.id))
        state = self._state(names, service.id)
        if state.key != "blocked":
            return state
        users = {user for domain in service.domains for user in domain.needed_by}
        opened = sorted(user for user in users if any(name in self.allow for name in self.names_of.get(user, ())))
        if not opened:
            return state
        for_them = f"some names are allowed, for {', '.join(opened)}"
        return State("blocked", "blocked", "; ".join(filter(None, (state.because, for_them))), state.own)

    def _state(self, names: Sequence[str], itself: str) -> State:
        own = self._own(itself)
        blocked = next((name for name in names if name in self.block), None)
        allowed = next((name for name in names if name in self.allow), None)
        if allowed is not None:
            because = "" if allowed == itself else f"because {allowed} is"
            if blocked is None:
                return State("allowed", "allowed", because, own)
            exception = f"though {blocked} is blocked"
            return State("allowed", "allowed by exception", ", ".join(filter(None, (because, exception))), own)
        if blocked is not None:
            return State("blocked", "blocked", "" if blocked == itself else f"because {blocked} is", own)
        watched = next((name for name in names if name in self.watch), None)
        if watched is not None:
            return State("watched", "watched", "" if watched == itself else f"because {watched} is", own)
        return State("none", "not in force", "", own)

    def _own(self, name: str) -> str:
        on_block = name in self.block and not self.follows
        if name in self.allow:
            return "both" if on_block else "allow"
        return "block" if on_block else ""


def switched(policy: GroupPolicy, name: str, to: str) -> dict[str, list[str]]:
    """Work out a group's `block` and `allow` for it to name `name` as `to` says: block, allow, or "" (neither).

    Only what changes is in it, as a body of PATCH has it. A group that follows `default` gets a `block` of its own
    where one more is to be blocked.
    """
    block, allow = without(policy.block, name), without(policy.allow, name)
    if to == "block":
        block.append(name)
    elif to == "allow":
        allow.append(name)
    changed = {}
    if set(block) != set(policy.block) and (to == "block" or not policy.follows):
        changed["block"] = block
    if set(allow) != set(policy.allow):
        changed["allow"] = allow
    return changed


def without(names: Iterable[str], name: str) -> list[str]:
    """The others."""
    return [each for each in names if each != name]


def policy_of(group: models.GroupItem, default: models.GroupItem, catalogue: models.CatalogueReply) -> GroupPolicy:
    """The policy of a group; without a `block` of its own it has that of `default`."""
    return GroupPolicy(
        block=tuple(block_of(group, default)),
        allow=tuple(group.allow),
        watch=() if group.monitor_until and group.monitor_until <= datetime.now(UTC) else tuple(group.monitor),
        follows=group.block is None,
        own_vendors=frozenset(catalogue.own_vendors),
        names_of={
            service.id: (
                *(service.id, vendor.vendor),
                *((KIND_PREFIX + service.kind,) if service.kind else ()),
                *_sets_with(vendor.kind),
            )
            for vendor in catalogue.vendors
            for service in vendor.services
        },
    )


def _sets_with(kind: Kind) -> tuple[str, ...]:
    """The sets that a vendor of that kind is in, the narrowest first."""
    sets = [name for name, kinds in KINDS_OF_SET.items() if kind in kinds]
    return tuple(sorted(sets, key=lambda name: len(KINDS_OF_SET[name])))


def block_of(group: models.GroupItem, default: models.GroupItem) -> list[str]:
    """The names that a group blocks: its own, else the default group's, else those that are bundled."""
    if group.block is not None:
        return group.block
    return default.block if default.block is not None else list(DEFAULT_BLOCK)


def fits(wanted: str, vendor: models.CatalogueVendor, service: models.CatalogueService) -> bool:
    """Whether a service has a text in its names or its domains; `wanted` is in lower case."""
    texts = (vendor.name, service.id, service.name, service.description, *(domain.rule for domain in service.domains))
    return any(wanted in text.lower() for text in texts)


def found(
    vendors: Iterable[models.CatalogueVendor], wanted: str, kind: str
) -> list[tuple[models.CatalogueVendor, list[models.CatalogueService]]]:
    """The vendors and those services of them that fit; a vendor that fits itself has all of them."""
    wanted = wanted.lower()
    chosen = []
    for vendor in vendors:
        if kind and vendor.kind != kind:
            continue
        is_it = wanted in vendor.vendor or wanted in vendor.name.lower()
        services = [each for each in vendor.services if is_it or fits(wanted, vendor, each)]
        if services:
            chosen.append((vendor, services))
    return chosen
