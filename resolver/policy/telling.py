"""A client's situation in words: lease, name, networks, group, exemptions that do not count now, schedule, pause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from resolver.policy.groups import Address
from resolver.policy.moments import Moment
from resolver.policy.proved_names import proved_by
from resolver.policy.situation import Situation
from resolver.policy.snapshot import PolicySnapshot


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trace."""

    step: str
    outcome: str
    detail: str


def situation_steps(policy: PolicySnapshot, situation: Situation, address: Address, now: Moment) -> Iterator[Step]:
    """Steps by which a client came to its group, and what holds for it by time."""
    yield from _group_steps(policy, situation, address)
    for exemption in situation.others:
        if exemption.ends.seconds_left(now) <= 0:
            yield Step("exemption", "over", f"{exemption.id} ended at {_shown(exemption.ends.wall)}")
        else:
            yield Step("exemption", "not begun", f"{exemption.id} begins at {_shown(exemption.starts)}")
    group = situation.view.group
    if group.schedule is not None:
        local = group.schedule.local(now.wall)
        until = group.schedule.local(group.schedule.at(now.wall)[1])
        clock = f"{local:%a %H:%M} in {group.schedule.time_zone}, until {until:%a %Y-%m-%d %H:%M}"
        if situation.is_off_schedule:
            yield Step("schedule", "watched", f"outside the windows of group {group.name}: {clock}")
        else:
            yield Step("schedule", "enforced", f"within a window of group {group.name}: {clock}")
    if group.watch.named:
        names = ", ".join(name for name, _ in group.watch.named)
        end = group.watch.until
        if group.watch.is_over(now.wall) and end is not None:
            yield Step("watch", "over", f"group {group.name} watched {names} until {_shown(end)}; now it does not")
        else:
            until_end = f" until {_shown(end)}" if end is not None else ""
            yield Step("watch", "watched", f"group {group.name} watches {names}{until_end}: counted, and not blocked")
    if situation.pause is not None:
        whom = f"group {situation.pause.group}" if situation.pause.group else "every group"
        until_pause = _shown(situation.pause.ends.wall)
        yield Step("pause", "watched", f"{situation.pause.id} pauses {whom} until {until_pause}")


def _group_steps(policy: PolicySnapshot, situation: Situation, address: Address) -> Iterator[Step]:
    lease = situation.lease
    group = situation.view.group.name
    if lease is not None:
        said = f"{address} is leased to {lease.identity} until {_shown(lease.ends.wall)}"
        if lease.group is None:
            yield Step("lease", lease.identity, f"{said}, without a group")
        elif situation.via == "lease":
            yield Step("lease", lease.identity, f"{said}, in group {lease.group}")
        elif situation.via == "certificate":
            yield Step("lease", "left to the certificate", f"{said}, in group {lease.group}")
        else:
            yield Step("lease", lease.identity, f"{said}, in group {lease.group}, which does not exist")
    if situation.name:
        yield _name_step(policy, situation)
    considered = policy.networks_of(address)
    for place, (network, owner) in enumerate(considered):
        outcome = _LEFT_TO.get(situation.via, "chosen" if place == 0 else "less specific")
        yield Step("network", outcome, f"{network} of group {owner} contains {address}")
    if situation.via == "lease":
        yield Step("group", group, "the lease says so")
    elif situation.via == "certificate":
        yield Step("group", group, f"its certificate proves {situation.identity}, which is a name of this group")
    elif situation.via == "client name":
        yield Step("group", group, f"the client's name is {situation.name}, which is a name of this group")
    elif considered:
        yield Step("group", group, f"{address} is in {situation.network}, the most specific network of any group")
    else:
        yield Step("group", group, f"no group has a network with {address}")


def _name_step(policy: PolicySnapshot, situation: Situation) -> Step:
    named = policy.view_of_client_name(situation.name)
    proved = proved_by(situation.name)
    if proved is not None:
        is_proved = f"a certificate proves {proved}, whose exemptions count"
        if named is None:
            return Step("client name", "proved", f"{is_proved}; no group has that name")
        return Step("client name", "proved", f"{is_proved}; it is a client of group {named.group.name}")
    if named is None:
        return Step("client name", "unknown", f"no group has the client name {situation.name}: it has no effect")
    outcome = _LEFT_TO["lease"] if situation.via == "lease" else "chosen"
    return Step("client name", outcome, f"{situation.name} is a client of group {named.group.name}")


_LEFT_TO = {
    "lease": "left to the lease",
    "client name": "left to the client name",
    "certificate": "left to the certificate",
}


def _shown(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
