"""Secrets of pseudonyms: in a file that only we may read, made ahead of their period, gone with its last row.

No plan and no log has them. The supervisor tells workers, so that none waits for the disk, and all take the next one at
the same moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resolver.config.settings import QUERY_LOG, TelemetrySettings
from resolver.system.state_files import make_folder, read_own, write_whole
from resolver.telemetry.pseudonyms import (
    DAY_SECONDS,
    SECRETS_FILE,
    PseudonymPeriod,
    day_of,
    new_period,
    read_periods,
    write_periods,
)

LOOK_SECONDS: Final = 600.0
"""How often to look whether a period has ended, or its rows are gone."""

_AHEAD_SECONDS: Final = DAY_SECONDS  # a period is at least as long
_LATE_SECONDS: Final = 3600  # for the last row to be written
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

Periods = tuple[PseudonymPeriod, ...]


def wanted(settings: TelemetrySettings) -> bool:
    """Whether the config has pseudonyms recorded."""
    return "pseudonym" in (settings.clients, settings.identities)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Periods with their secrets; `trouble` says why they are in memory alone, "" where they are on the disk."""

    periods: Periods
    trouble: str = ""


def current(state_dir: Path, settings: TelemetrySettings, now: float, in_use: Periods = ()) -> Secrets:
    """The periods that workers need at a Unix time: this one and the next. None where there are no pseudonyms.

    Secrets that are missing are made, those `in_use` kept where they are not yet, and those of which the query log has
    no row removed. A file that cannot be read is left as it is.
    """
    path = state_dir / SECRETS_FILE
    known: Periods = ()
    trouble = ""
    try:
        known = _read(path)
        kept = _with_rows(dict.fromkeys((*known, *in_use)), _days(state_dir / QUERY_LOG), now)
    except OSError as error:
        trouble, kept = f"{path} cannot be read: {error.strerror}", in_use
    except ValueError as error:
        trouble, kept = f"{path}: {error}; move it away to begin anew: older pseudonyms are nobody's then", in_use
    used = _used(kept, settings.pseudonym_days, now) if wanted(settings) else ()
    # Of two for the same days, which a restore may leave, the first stays the one that is used.
    after = tuple(sorted(dict.fromkeys((*kept, *used)), key=lambda one: (one.begins, one.ends)))
    if not trouble and after != known:
        try:
            make_folder(state_dir)
            write_whole(path, write_periods(after).encode("ascii"))
        except OSError as error:
            trouble = f"{path} cannot be written: {error.strerror}"
    return Secrets(used, trouble)


def _read(path: Path) -> Periods:
    try:
        content = read_own(path)
    except FileNotFoundError:
        return ()
    return read_periods(content.decode("ascii", "replace"))


def _used(known: Iterable[PseudonymPeriod], days: int, now: float) -> Periods:
    """This period and the next; those that are not known are new."""
    found: list[PseudonymPeriod] = []
    for at in (now, now + _AHEAD_SECONDS):
        new = new_period(at, days)
        same = (one for one in (*known, *found) if (one.begins, one.ends) == (new.begins, new.ends))
        if (one := next(same, new)) not in found:
            found.append(one)
    return tuple(found)


def _with_rows(known: Iterable[PseudonymPeriod], days: set[str], now: float) -> Periods:
    """Those that are not over, or of which the log has a day."""

    def has_rows(one: PseudonymPeriod) -> bool:
        return any(day_of(at) in days for at in range(one.begins, one.ends, DAY_SECONDS))

    return tuple(one for one in known if one.ends + _LATE_SECONDS > now or has_rows(one))


def _days(folder: Path) -> set[str]:
    """The days of which the query log has a file, damaged ones too."""
    if not folder.is_dir():
        return set()
    return {path.name[:10] for path in folder.iterdir() if _DAY.match(path.name)}
