"""Findings of a comparison: what is new, moved and gone, and what was left out."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, field

from blocklists.gathering.hosts import Why


class RegisterChange(enum.StrEnum):
    """Kind of what a register says and the catalogue does not."""

    NEW = "new"  # a provider that the catalogue does not have
    MOVED = "moved"  # a host of one that it has
    GONE = "gone"  # an entry whose register has it no more


@dataclass(frozen=True, slots=True)
class Seen:
    """Place in a register. For what is gone, the entry's own source, and the register that has it no more."""

    register: str
    revision: str
    date: datetime.date
    at: str
    provider: str
    source: str


@dataclass(slots=True)
class RegisterFinding:
    """One finding, with the entry that is proposed for it. `is_listed_only`: no register of providers has it."""

    change: RegisterChange
    host: str
    rule: str
    vendor: str
    service: str
    surface: str
    name: str
    seen_in: list[Seen] = field(default_factory=list)
    is_listed_only: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An address from which no rule follows."""

    text: str
    why: Why
    provider: str
    register: str
    at: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of a comparison. `known` is how many hosts the catalogue covers; `notes` are finished sentences."""

    findings: tuple[RegisterFinding, ...]
    left_out: tuple[LeftOut, ...]
    known: int
    notes: tuple[str, ...]
