"""Lists for firewalls, kept while one policy is in force: many firewalls ask for the same, every few minutes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from resolver.policy.snapshot import PolicySnapshot

MOST_KEPT: Final = 16
"""Lists of one policy that are kept, each of some MiB at most; beyond, the oldest is made again."""

MOST_WAITING: Final = 32
"""Calls that wait for lists which are made for others."""

Asked = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MadeList:
    """A list as it goes out, an entry a line, with the number of rules that are not in it."""

    text: str
    lines: int
    left_out: int

    @classmethod
    def of(cls, entries: Sequence[str], left_out: int) -> MadeList:
        """A list of these entries."""
        return cls("".join(f"{entry}\n" for entry in entries), len(entries), left_out)


class KeptLists:
    """Lists by what was asked for, of the policy that was asked about last. `waiting` counts those in `turn`.

    A policy has the local names of the API with it, and those of the config are the same as long as this process runs.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._turn = asyncio.Lock()
        self._policy: PolicySnapshot | None = None
        self._made: dict[Asked, MadeList] = {}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One after the other: whoever waited may find the list made."""
        self.waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self.waiting -= 1

    def find(self, policy: PolicySnapshot, asked: Asked) -> MadeList | None:
        """The list, if it was made by this very policy."""
        return self._made.get(asked) if policy is self._policy else None

    def keep(self, policy: PolicySnapshot, asked: Asked, made: MadeList) -> None:
        """Keep a list; those of another policy are over."""
        if policy is not self._policy:
            self._policy, self._made = policy, {}
        while len(self._made) >= MOST_KEPT:
            del self._made[next(iter(self._made))]
        self._made[asked] = made
