"""From rows of the store to what the workers know."""

from __future__ import annotations

from typing import cast

from admin_api.store.exemptions import ExemptionRow
from admin_api.store.lease_row import LeaseRow
from admin_api.store.pauses import PauseRow
from resolver.policy.moments import End, Moment
from resolver.policy.subjects import Exemption, Kind, Lease, Pause


def lease_of(row: LeaseRow, now: Moment) -> Lease:
    """A lease, its end reckoned now."""
    return Lease(row.address, row.identity, row.group, End.at(row.ends_at.timestamp(), now))


def exemption_of(row: ExemptionRow, now: Moment) -> Exemption:
    """An exemption, its end reckoned now."""
    ends = End.at(row.expires_at.timestamp(), now)
    return Exemption(row.id, cast(Kind, row.kind), row.who, row.scope, row.starts_at.timestamp(), ends)


def pause_of(row: PauseRow, now: Moment) -> Pause:
    """A pause, its end reckoned now."""
    return Pause(row.id, row.group, End.at(row.expires_at.timestamp(), now))
