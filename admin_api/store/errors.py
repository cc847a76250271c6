"""Errors of the store.

StoreError
├── StoreAway      it cannot be reached, or cannot be used
│   ├── StoreFull  there is no room for what was to be written
│   ├── StoreLost  there was one, and it is gone, damaged, or another
│   └── StoreHeld  another machine serves it
├── NothingLost    a loss was to be acknowledged, and there is none
├── NotFound       no such thing
├── Duplicate      a thing of that name is there already
├── InUse          something else needs it
├── OwnedByFile    the config file made it, and only the file can change it
├── StaleVersion   it changed since the caller looked
├── WrongKind      it is a list of the other kind: fetched, or one's own
├── WrongState     an exemption's status does not allow it
├── Forbidden      somebody else has to do it
├── NeedsAnother   it opens something, and another owner has to agree first
└── TooMany        there are as many of the kind as there may be
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from resolver.errors import MoatdnsError

Row = TypeVar("Row")


class StoreError(MoatdnsError):
    """Something that was asked of the store did not happen; nothing was changed."""


class StoreAway(StoreError):
    """The store cannot be reached, or cannot be used. Its text holds no password."""


class StoreFull(StoreAway):
    """The disk is full: what was to be written was not."""


class StoreLost(StoreAway):
    """There was a store, and what is there now is not it. What to do about it is in the text."""


class StoreHeld(StoreAway):
    """Another machine serves from the store, and only one may."""


class NothingLost(StoreError):
    """A loss was to be acknowledged, and nothing is lost."""


class NotFound(StoreError):
    """There is no such thing. `what` is as in ``list 'house'``."""

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no {what}")


class Duplicate(StoreError):
    """A thing of that name is there already."""

    def __init__(self, what: str) -> None:
        super().__init__(f"there is a {what} already: use another name, or change that one")


class InUse(StoreError):
    """Something else needs the thing. `by` names what does, as in ``group 'staff'``."""

    def __init__(self, what: str, by: Sequence[str]) -> None:
        shown = ", ".join(by[:10]) + (f" and {len(by) - 10} more" if len(by) > 10 else "")
        super().__init__(f"{what} is in use by {shown}: remove it there first")


class OwnedByFile(StoreError):
    """The config file made the thing. `where` says how to change it, as in ``edit policy.lists in …``."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} comes from the config file: {where}")


class StaleVersion(StoreError):
    """The thing changed since the caller looked at it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} has been changed meanwhile: read it again, and repeat your change")


class WrongKind(StoreError):
    """A list is fetched, and was to be edited; or is one's own, and was to be fetched."""


class WrongState(StoreError):
    """The status of an object does not permit the action."""


class Forbidden(StoreError):
    """Somebody else has to do it."""


class NeedsAnother(StoreError):
    """It opens something, and another owner has to agree first. `opens` says what, in finished phrases."""

    def __init__(self, opens: Sequence[str]) -> None:
        super().__init__(f"another owner has to agree: {'; '.join(opens)}")


class TooMany(StoreError):
    """There are as many of the kind as there may be."""


def found(row: Row | None, what: str) -> Row:
    """The row that was looked for. Raises NotFound where there is none."""
    if row is None:
        raise NotFound(what)
    return row
