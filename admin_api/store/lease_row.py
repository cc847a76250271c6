"""A lease as the store has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """An address's lease. `device` is the same for all addresses that were set in one call."""

    address: str
    identity: str
    group: str | None
    device: str
    set_by: str
    created_at: datetime
    updated_at: datetime
    ends_at: datetime
