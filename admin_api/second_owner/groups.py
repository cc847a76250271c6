"""Whether clients get more when a group's policy changes, or when they go from one group to another. Pure.

In doubt something counts as opened: then another owner looks at it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from resolver.config.references import ALL_LISTS

CLOSED: Final = ("zero-ip", "nxdomain", "nodata")
"""Responses that open nothing. REFUSED sends stubs to another resolver; an address may be the service's own."""

_DEFAULT = "default"
_MOST_NAMED = 5
_MOST_PAIRS = 20_000  # of groups that are held against each other for client names; beyond, these count as opened

State = Mapping[str, Any]  # a group, as GroupRow.plain has it
States = Mapping[str, State]  # by name


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts beside groups that a judgement needs."""

    response: State  # the policy's, where a group has none of its own
    default_block: tuple[str, ...]  # where no group says what `default` blocks
    services_of: Callable[[str], Collection[str]]  # a set's, a vendor's or a service's; none of a list
    opening_lists: frozenset[str]  # those with allow rules, and those that an open exemption names
    exempt_groups: frozenset[str]  # that an open exemption names
    paused_groups: frozenset[str]
    leased_groups: frozenset[str]  # that leases name
    all_paused: bool = False


def opened(before: State, after: State, was: States, will: States, facts: Facts) -> Iterator[str]:
    """Openings for a client that goes from the state `before` to `after`, in phrases that follow the group."""
    if _is_watched(before):
        return  # everything is let through there
    if _is_watched(after):
        yield "only watches"
    if after["exempt"] and not before["exempt"]:
        yield "is exempt"
    stops_being_exempt = before["exempt"] and not after["exempt"]
    if after["schedule"] is not None and (after["schedule"] != before["schedule"] or stops_being_exempt):
        yield "is only monitored outside its schedule"
    if stops_being_exempt and (facts.all_paused or after["name"] in facts.paused_groups):
        yield "is paused, and ways around the resolver are let through meanwhile"
    old, new = _block(before, was, facts), _block(after, will, facts)
    covered = {service for reference in new for service in facts.services_of(reference)}
    if lost := sorted(reference for reference in old - new if not _is_covered(reference, new, covered, facts)):
        yield f"does not block {_some(lost)}"
    brought = (facts.opening_lists if ALL_LISTS in new - old else frozenset()) | ((new - old) & facts.opening_lists)
    if brought:
        yield f"gets the allow rules of {_some(sorted(brought))}"
    if allowed := sorted({*after["allow"]} - {*before["allow"]}):
        yield f"allows {_some(allowed)}"
    answer = after["response"] or facts.response
    if answer["mode"] not in CLOSED and answer != (before["response"] or facts.response):
        yield f"answers blocked names by {answer['mode']}"
    if before["name"] != after["name"]:
        if after["name"] in facts.exempt_groups:
            yield "has an exemption"
        if after["name"] in facts.paused_groups:
            yield "is paused"


def _is_watched(group: State) -> bool:
    """Whether everything is let through. What is exempt has ways round the resolver closed, monitored or not."""
    return bool(group["mode"] == "monitor" and not group["exempt"])


def changed(was: States, will: States, facts: Facts) -> Iterator[str]:
    """Openings by changes of groups, in finished phrases. `was` and `will` are all groups, before and after."""
    touched = sorted(name for name in {*was, *will} if was.get(name) != will.get(name))
    for name in touched:
        if name in was and name in will:
            yield from (f"group {name!r} {why}" for why in opened(was[name], will[name], was, will, facts))
        elif name in facts.leased_groups:
            what = "is created, and existing leases name it" if name in will else "is deleted, and leases name it"
            yield f"group {name!r} {what}"
    yield from _followed(touched, was, will, facts)
    yield from _moved(touched, was, will, facts)
    yield from _renamed(touched, was, will, facts)


def _followed(touched: Collection[str], was: States, will: States, facts: Facts) -> Iterator[str]:
    """Groups that block what `default` blocks, which changes with it while they stay; one of them is told."""
    if _DEFAULT not in touched:
        return
    for name in sorted(was.keys() & will.keys() - {*touched}):
        why = next(opened(was[name], will[name], was, will, facts), None)
        if why is not None:
            yield f"group {name!r}, which blocks what group {_DEFAULT!r} does, {why}"
            return


def _moved(touched: Iterable[str], was: States, will: States, facts: Facts) -> Iterator[str]:
    """Networks that come into another group."""
    claims_before, claims_after = _Claims(was), _Claims(will)
    seen: set[tuple[str, str]] = set()
    for name in touched:
        for network in (*was.get(name, _NOTHING)["networks"], *will.get(name, _NOTHING)["networks"]):
            pair = (claims_before.group_of(network), claims_after.group_of(network))
            if pair[0] == pair[1] or pair in seen:
                continue
            seen.add(pair)
            yield from (
                f"{network} comes from group {pair[0]!r} into group {pair[1]!r}, which {why}"
                for why in opened(was[pair[0]], will[pair[1]], was, will, facts)
            )


def _renamed(touched: Iterable[str], was: States, will: States, facts: Facts) -> Iterator[str]:
    """Client names that a group gets or loses: whoever uses one may be in any group else."""
    renamed = []
    for name in touched:
        before = {*was.get(name, _NOTHING)["client_names"]}
        after = {*will.get(name, _NOTHING)["client_names"]}
        if before != after:
            renamed.append((name, before, after))
    if len(renamed) * len(was) > _MOST_PAIRS:
        yield f"client names of {len(renamed)} groups"
        return
    for name, before, after in renamed:
        pairs = [(other, name) for other in was] if after - before else []
        pairs += [(name, other) for other in will] if before - after else []
        for one, other in pairs:
            why = next(opened(was[one], will[other], was, will, facts), None) if one != other else None
            if why is not None:
                names = _some(sorted(before ^ after))
                yield f"client name {names} comes from group {one!r} into group {other!r}, which {why}"
                break


_NOTHING: State = {"networks": (), "client_names": ()}


class _Claims:
    """Networks, each with its group."""

    def __init__(self, states: States) -> None:
        self._owners = {network: name for name, state in states.items() for network in state["networks"]}
        lengths = {(":" in network, int(network.partition("/")[2])) for network in self._owners}
        self._lengths = {
            is_v6: sorted((n for v6, n in lengths if v6 is is_v6), reverse=True) for is_v6 in (False, True)
        }

    def group_of(self, network: str) -> str:
        """The group whose clients those of a network are: the one with the most specific network around it."""
        inner = ipaddress.ip_network(network)
        for length in self._lengths[inner.version == 6]:
            if length <= inner.prefixlen:
                owner = self._owners.get(str(inner.supernet(new_prefix=length)))
                if owner is not None:
                    return owner
        return _DEFAULT


def networks_around(address: str) -> list[str]:
    """All networks that an address is in, the most specific first."""
    inner = ipaddress.ip_network(address)
    return [str(inner.supernet(new_prefix=length)) for length in range(inner.prefixlen, -1, -1)]


def _block(state: State, states: States, facts: Facts) -> frozenset[str]:
    block = state["block"]
    if block is None:
        block = states.get(_DEFAULT, {}).get("block")
    return frozenset(facts.default_block if block is None else block)


def _is_covered(reference: str, block: frozenset[str], covered: Collection[str], facts: Facts) -> bool:
    services = facts.services_of(reference)
    if not services:  # a list
        return reference != ALL_LISTS and ALL_LISTS in block
    return all(service in covered for service in services)


def _some(names: Collection[str]) -> str:
    shown = list(names)[:_MOST_NAMED]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
