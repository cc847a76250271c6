"""Marks of a sink: up to which query of each day everything is done. Kept in a small file in the state directory."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from resolver.errors import MoatdnsError
from resolver.system.state_files import make_folder, read_own, write_whole

FOLDER: Final = "log-sinks"
_VERSION: Final = 1
_MOST_OCTETS: Final = 1 << 20
_MOST_NUMBER: Final = 1 << 64


class MarksUnreadable(MoatdnsError):
    """A file of marks that cannot be read."""


@dataclass(slots=True)
class DayMark:
    """Mark in a day. Of the rows with ids above `done`, up to `seen`, there were `unsent` when it was last looked.

    `inode` is the file's, by which another one of that day is known.
    """

    done: int = 0
    seen: int = 0
    unsent: int = 0
    inode: int = 0


DayMarks = dict[str, DayMark]


class MarksFile:
    """The file of one sink; `key` is told by its address, so that another address begins anew."""

    def __init__(self, state_dir: Path, key: str) -> None:
        self.path = state_dir / FOLDER / f"{key}.json"

    def read(self) -> DayMarks | None:
        """The marks as they were kept; None where there are none yet. Raises MarksUnreadable."""
        try:
            text = read_own(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MarksUnreadable(f"{self.path} cannot be read: {error.strerror or error}") from error
        marks = marks_of(text)
        if marks is None:
            raise MarksUnreadable(f"{self.path} is damaged")
        return marks

    def write(self, marks: DayMarks) -> None:
        """Keep marks, whole or not at all. Raises OSError."""
        make_folder(self.path.parent)
        days = {day: astuple(mark) for day, mark in sorted(marks.items())}
        write_whole(self.path, json.dumps({"version": _VERSION, "days": days}).encode())


def marks_of(text: bytes) -> DayMarks | None:
    """The marks that a file holds; None where they are none."""
    if len(text) > _MOST_OCTETS:
        return None
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    match read:
        case {"version": version, "days": dict(days)} if version == _VERSION and all(map(_is_mark, days.values())):
            return {str(day): DayMark(*numbers) for day, numbers in days.items()}
    return None


def _is_mark(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(DayMark.__slots__)
        and all(type(number) is int and 0 <= number <= _MOST_NUMBER for number in value)
    )
