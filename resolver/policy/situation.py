"""A client at a moment: its lease, name, network and group, its exemptions, and whether its group is only watched.

It gives the client's view, and says for how long that holds if nobody changes anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from resolver.policy.groups import Address, Network
from resolver.policy.moments import Moment
from resolver.policy.proved_names import proved_by
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View
from resolver.policy.subjects import Exemption, Lease, Pause, Subjects


@dataclass(frozen=True, slots=True)
class Situation:
    """Situation of a client. `seconds` is how long it lasts; `lease` is not over, whether or not its group is there.

    `via` is certificate, lease, client name, network or default; `name` is what the client calls itself, or proves to
    be (proved_names). `pause` and `is_off_schedule` say why its group is only watched.
    """

    view: View
    via: str
    name: str
    network: Network | None
    lease: Lease | None
    exemptions: tuple[Exemption, ...]  # in force
    others: tuple[Exemption, ...]  # that concern the client, but have not begun or are over
    pause: Pause | None
    is_off_schedule: bool
    seconds: float

    @property
    def identity(self) -> str | None:
        """The identity that a certificate proves, else that of the lease; None where nobody says who it is."""
        return identity_at(self.name, self.lease)


def identity_at(name: str, lease: Lease | None) -> str | None:
    """The identity of a client of that name: the one that it proves, else that of its lease, which others have set."""
    proved = proved_by(name)
    if proved is not None:
        return proved
    return lease.identity if lease is not None else None


def situation_of(
    policy: PolicySnapshot, subjects: Subjects, address: Address, now: Moment, name: str = ""
) -> Situation:
    """The situation now of the client at `address`, of that name (proved_names) in its normal form."""
    return situation_with(policy, subjects, address, subjects.lease_of(address, now), now, name)


def situation_with(
    policy: PolicySnapshot, subjects: Subjects, address: Address, lease: Lease | None, now: Moment, name: str = ""
) -> Situation:
    """The situation now of a client that has this lease, or had it when it asked: all else is as it is now."""
    view, network = policy.view_of(address)
    via = "network" if network is not None else "default"
    of_name = policy.view_of_client_name(name) if name else None
    if of_name is not None:
        view, via = of_name, "client name" if proved_by(name) is None else "certificate"
    until = math.inf
    if lease is not None:
        until = lease.ends.seconds_left(now)
        of_lease = policy.view_of_group(lease.group) if lease.group is not None else None
        if of_lease is not None and via != "certificate":
            view, via = of_lease, "lease"
    group = view.group
    candidates = subjects.exemptions_for(address, identity_at(name, lease), group.name)
    in_force: list[Exemption] = []
    others: list[Exemption] = []
    for exemption in candidates:
        left, ahead = exemption.ends.seconds_left(now), exemption.starts - now.wall
        if left <= 0 or ahead > 0:
            others.append(exemption)
            until = min(until, ahead) if left > 0 else until
        else:
            in_force.append(exemption)
            until = min(until, left)
    pauses = [pause for pause in subjects.pauses_for(group.name) if pause.ends.seconds_left(now) > 0]
    pause = max(pauses, key=lambda one: one.ends.seconds_left(now), default=None)
    if pause is not None:
        until = min(until, pause.ends.seconds_left(now))
    is_off_schedule = False
    if group.schedule is not None:
        enforces, changes = group.schedule.at(now.wall)
        is_off_schedule = not enforces
        until = min(until, changes - now.wall)
    watches = not group.watch.is_over(now.wall)
    if watches and group.watch.until is not None:
        until = min(until, group.watch.until - now.wall)
    return Situation(
        policy.view_with(
            view, is_watched=is_off_schedule or pause is not None, exemptions=tuple(in_force), watches=watches
        ),
        via,
        name,
        network,
        lease,
        tuple(in_force),
        tuple(others),
        pause,
        is_off_schedule,
        until,
    )
