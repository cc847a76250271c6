"""Where journals are (resolver.snapshot.subjects_file), how far one is to be read, and which clock steps are noted.

``state_dir/subjects/journal-000001.jsonl``, and beside it ``clock.json``, which notes when the wall clock was set
forward: what was over by then stays so. Nothing here knows a record: the supervisor needs no more.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resolver.errors import SubjectsError
from resolver.policy.moments import Moment
from resolver.snapshot.clocks import boot_id
from resolver.system.state_files import make_folder, read_own, write_whole

FOLDER = "subjects"
_NAME = re.compile(r"journal-(\d{6,})\.jsonl\Z")
_CLOCK = "clock.json"
_MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class Position:
    """So much of a journal: all lines that end within its first `octets`."""

    path: Path
    octets: int


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock was seen to show `wall`, `boot` seconds after the machine's start `boot_id`."""

    boot_id: str
    boot: float
    wall: float


def newest(state_dir: Path) -> Path | None:
    """The newest journal; None where there is none."""
    folder = state_dir / FOLDER
    numbers = list(journal_numbers(folder)) if folder.is_dir() else []
    return folder / f"journal-{max(numbers):06d}.jsonl" if numbers else None


def clock_steps(folder: Path) -> list[ClockStep]:
    """The noted steps of the wall clock."""
    try:
        return [ClockStep(*step) for step in json.loads(read_own(folder / _CLOCK))]
    except (OSError, ValueError, TypeError):
        return []


def note_clock_step(state_dir: Path, now: Moment) -> None:
    """Note that the wall clock was set forward and shows what it shows now. Raises SubjectsError."""
    folder = state_dir / FOLDER
    steps = [*clock_steps(folder), ClockStep(boot_id(), now.boot, now.wall)][-_MOST_STEPS:]
    try:
        make_folder(folder)
        content = json.dumps([[step.boot_id, step.boot, step.wall] for step in steps])
        write_whole(folder / _CLOCK, content.encode("ascii"))
    except OSError as error:
        raise SubjectsError(f"{folder}: cannot be written: {error.strerror}") from error


def journal_numbers(folder: Path) -> Iterator[int]:
    """The numbers of the journals in a folder."""
    with contextlib.suppress(FileNotFoundError):
        for entry in folder.iterdir():
            match = _NAME.match(entry.name)
            if match:
                yield int(match[1])
