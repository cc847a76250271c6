"""The journal of leases, exemptions and pauses: a file that the control process writes, and every worker reads.

``state_dir/subjects/journal-000001.jsonl``: a header, then a record a line (resolver.policy.subjects). A change is a
line more; the next file begins when most lines are outdated, and when a control process starts. So a worker that
starts while the control process is dead knows all that was in force. The store has the truth: a line that a loss of
power takes is written anew from there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from resolver.errors import SubjectsError
from resolver.policy.moments import End, Moment
from resolver.policy.subjects import Plain, Subject, Subjects, subject_of
from resolver.snapshot.clocks import boot_id
from resolver.snapshot.journal_places import FOLDER, ClockStep, Position, clock_steps, journal_numbers
from resolver.system.state_files import make_folder, open_own, reading, writing_whole

_FORMAT = 2
_BEFORE_RESELLERS = 1  # the set `ai` had no resellers in it: what is `vendors` now
_KEPT = 2  # files: workers may still be reading the last but one


class Journal:
    """The journal that is written."""

    def __init__(self, path: Path, file: IO[bytes], lines: int) -> None:
        self.path = path
        self.lines = lines  # records in it
        self._file = file
        self._octets = file.tell()

    @classmethod
    def begin(cls, state_dir: Path, subjects: Iterable[Subject]) -> Journal:
        """Begin a new file with all that is in force. Raises SubjectsError; the files before are untouched."""
        folder = state_dir / FOLDER
        try:
            make_folder(folder)
            number = max(journal_numbers(folder), default=0) + 1
            path = folder / f"journal-{number:06d}.jsonl"
            lines = 0
            with writing_whole(path) as file:
                file.write(_line({"format": _FORMAT, "boot_id": boot_id()}))
                for subject in subjects:
                    file.write(_line(subject.to_plain()))
                    lines += 1
            for old in sorted(journal_numbers(folder), reverse=True)[_KEPT:]:
                (folder / f"journal-{old:06d}.jsonl").unlink(missing_ok=True)
            return cls(path, os.fdopen(open_own(path, os.O_WRONLY | os.O_APPEND), "ab", buffering=0), lines)
        except OSError as error:
            raise SubjectsError(f"{folder}: leases and exemptions cannot be written: {error.strerror}") from error

    @property
    def position(self) -> Position:
        """All of it."""
        return Position(self.path, self._octets)

    def append(self, records: Iterable[Plain]) -> None:
        """Add records, all or none. Raises SubjectsError; then a new journal has to be begun."""
        lines = [_line(record) for record in records]
        content = b"".join(lines)
        try:
            written = self._file.write(content)
        except OSError as error:
            raise SubjectsError(f"{self.path}: cannot be written: {error.strerror}") from error
        if written != len(content):
            raise SubjectsError(f"{self.path}: cannot be written: the disk is full")
        self._octets += len(content)
        self.lines += len(lines)

    def close(self) -> None:
        """End it."""
        self._file.close()


class JournalReader:
    """Reads a journal, and then what is added to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dropped: set[tuple[str, str]] = set()  # kinds and keys, as far as it was read
        self._at = 0
        self._format = _FORMAT

    def read(self, octets: int | None, now: Moment) -> list[Plain]:
        """The records up to an offset that have not been read yet. Raises SubjectsError.

        Ends that another start of the machine reckoned are reckoned anew; what a clock once ended is left out.
        """
        try:
            with reading(self.path) as file:
                file.seek(self._at)
                content = file.read() if octets is None else file.read(max(octets - self._at, 0))
        except OSError as error:
            raise SubjectsError(f"{self.path}: cannot be read: {error.strerror}") from error
        whole = content[: content.rfind(b"\n") + 1]  # the writer may have died in the middle of a line
        try:
            records = [json.loads(line) for line in whole.splitlines()]
            if self._at == 0:
                if not records or records[0].get("format") not in (_FORMAT, _BEFORE_RESELLERS):
                    raise SubjectsError(f"{self.path}: written by another version")
                header = records.pop(0)
                self._format = header["format"]
                records = list(_as_of_now(records, header["boot_id"], now, clock_steps(self.path.parent)))
            if self._format == _BEFORE_RESELLERS:
                records = [_without_resellers(record) for record in records]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SubjectsError(f"{self.path}: cannot be read: {error}") from error
        self._at += len(whole)
        self.dropped |= {(what, key) for what, key in (record[1:] for record in records if record[0] == "drop")}
        return records


def subjects_at(path: Path, octets: int | None, now: Moment) -> tuple[Subjects, JournalReader]:
    """All that a journal says is in force, and what goes on reading it. Raises SubjectsError."""
    reader = JournalReader(path)
    subjects = Subjects()
    try:
        for record in reader.read(octets, now):
            subjects.apply(record)
    except (ValueError, TypeError, KeyError) as error:
        raise SubjectsError(f"{path}: cannot be read: {error}") from error
    return subjects, reader


def _as_of_now(records: Iterable[Plain], written_in: str, now: Moment, steps: list[ClockStep]) -> Iterator[Plain]:
    """Records with their ends reckoned on this start's clocks."""
    is_this_start = written_in == boot_id()
    of_that_start = [step for step in steps if step.boot_id == written_in]
    for record in records:
        if record[0] == "drop":
            yield record
            continue
        subject = subject_of(record)
        ends = subject.ends
        if any(step.boot >= ends.reckoned and step.wall >= ends.wall for step in of_that_start):
            yield ["drop", record[0], subject.key]
        else:
            yield [*record[:-1], (ends if is_this_start else End.at(ends.wall, now)).plain]


def _without_resellers(record: Plain) -> Plain:
    """A record of an earlier version, whose scopes name ``ai`` for what is ``vendors`` now."""
    if record[0] != "exemption":
        return record
    what, number, kind, who, scope, *ends = record
    return [what, number, kind, who, ["vendors" if name == "ai" else name for name in scope], *ends]


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
