"""Files of a restored state directory: written into the new state, and cleansed of clients that were erased since.

A backup's query log holds who was erased after it was made. The journal of erasures tells: that of the old state
directory, where it is still there, and what a log of the lost server, or exported audit rows, say.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from admin_api.backup import state
from admin_api.backup.container import BackupManifest, BackupSource
from admin_api.backup.errors import BackupError, DamagedBackup
from admin_api.query_log import files as query_log
from admin_api.query_log.day_blocks import DayBlocks
from admin_api.query_log.erased import ErasureNote, matcher, read_erasures, to_repeat, write_erasures
from admin_api.query_log.erasing import IsTheirs
from admin_api.query_log.set_aside import is_damage
from resolver.config.settings import COUNTERS
from resolver.system.state_files import make_folder, read_own, write_whole, writing_whole
from resolver.telemetry.counter_file import SUFFIX, CounterFileError, rewrite_keys
from resolver.telemetry.counters import without_person
from resolver.telemetry.pseudonyms import SECRETS_FILE
from resolver.telemetry.query_block_lines import BlockClient

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class ErasedAgain:
    """Erasures that a restore repeated: how many clients were looked for, and how many queries were theirs.

    `is_known` False: nothing tells of erasures since the backup. `people` were found in the store's rows.
    """

    clients: int
    queries: int
    is_known: bool
    people: int = 0


def write_files(
    source: BackupSource, manifest: BackupManifest, new: Path, retention_days: int, told: Callable[[str], None]
) -> int:
    """Write the files of the new state; gives how many days of the query log were left out, being too old.

    Raises DamagedBackup, OSError.
    """
    oldest = (datetime.now(UTC) - timedelta(days=retention_days)).strftime("%Y-%m-%d")
    left_out = 0
    told("keys, catalogue, lists")
    for name, part in source.parts(manifest):
        if not name.startswith(state.PREFIX):
            continue
        path = Path(name.removeprefix(state.PREFIX))
        if not state.is_kept(path.parts[0]):
            raise DamagedBackup(f"{name} is not a file that a backup holds")
        if path.parts[0] == query_log.FOLDER and path.stem < oldest:
            left_out += 1
            continue
        make_folder((new / path).parent)
        with writing_whole(new / path) as file:
            while piece := part.read(_PIECE):
                file.write(piece)
    return left_out


def keep_secrets(old: Path, new: Path) -> None:
    """Have the secrets of pseudonyms in the new state, too, for the rows of its query log: a backup has none.

    Those of the old state go aside with its log, which they are for as well. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        write_whole(new / SECRETS_FILE, read_own(old / SECRETS_FILE))


def erase_again(
    new: Path, key: bytes, manifest: BackupManifest, since: Sequence[ErasureNote] | None, told: Callable[[str], None]
) -> ErasedAgain:
    """Erase whom `since` tells of from the new state's query log, and keep the journal; None: nothing is known.

    Raises BackupError, OSError.
    """
    notes = [*read_erasures(new), *(since or ())]
    if notes:
        write_erasures(new, notes)
    journal = read_erasures(new)
    digests = to_repeat(journal, manifest.at)
    folder = new / query_log.FOLDER
    gone = 0
    if digests:
        is_theirs = matcher(key, digests)
        _erase_counters(new / COUNTERS, is_theirs)
        for day in query_log.days(folder):
            told(f"erasures in the query log of {day}")
            gone += _erase_day(folder, day, is_theirs)
    asked = {note.asked for note in journal if note.digest in digests}  # one erasure may have several digests
    return ErasedAgain(len(asked), gone, is_known=since is not None)


def _erase_counters(folder: Path, is_theirs: IsTheirs) -> None:
    """Have counter files, which the first fold reads, name none of them; a damaged one is removed."""
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            rewrite_keys(path, lambda key: without_person(key, lambda identity: is_theirs(BlockClient("", identity))))
        except CounterFileError:
            path.unlink()


def _erase_day(folder: Path, day: str, is_theirs: IsTheirs) -> int:
    """Erase them from a day, and leave it as one file; a damaged one is removed: it may hold theirs."""
    try:
        with contextlib.closing(DayBlocks(folder, day)) as blocks:
            gone = blocks.take_out(is_theirs)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise BackupError(f"clients cannot be erased from the query log of {day}: {error}") from error
        query_log.remove(folder, day)
        return 0
    query_log.fold(folder, day)
    return gone
