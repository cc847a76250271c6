"""A restored state directory put in the place of the old one, in steps that the next start finishes.

All is written into a work folder below the directory itself, since that may be a mount or all that we may write to. One
rename of that folder decides: before it the old state is in force, and after it the new one, for whatever is not moved
yet is moved before anything in the directory is read (`finish`). The old state is set aside, and never removed.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from resolver.system.state_files import make_folder, read_own, sync_folder, write_whole

READY: Final = "restore.ready"
"""A restore that was decided, and whose files are perhaps not all in their places."""

_WORK = "restore.work-"
_ASIDE = "before-restore-"
_NEW, _PLAN = "new", "plan.json"
_NOBODYS = frozenset({"moatdns.lock", "lost+found"})


def is_of_restoring(name: str) -> bool:
    """Whether an entry of the state directory is a restore's own: work, or an old state that was set aside."""
    return name == READY or name.startswith((_WORK, _ASIDE))


def occupants(state_dir: Path) -> list[str]:
    """Names of all that is in the state directory and would have to make room. Raises OSError."""
    try:
        names = [path.name for path in state_dir.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if name not in _NOBODYS and not is_of_restoring(name))


def begin(state_dir: Path) -> Path:
    """An empty folder to write the new state into; what a killed restore left is removed. Raises OSError."""
    forget(state_dir)
    folder = state_dir / f"{_WORK}{secrets.token_hex(4)}" / _NEW
    make_folder(folder)
    return folder


def forget(state_dir: Path) -> None:
    """Remove what was being written, and is not decided. Raises OSError."""
    for left in state_dir.glob(f"{_WORK}*"):
        _remove(left)


def decide(state_dir: Path, new: Path, stays: Collection[str] = ()) -> str | None:
    """Have what was written into `new` be the state; the old one, but for what `stays`, is set aside.

    Gives the name of the folder that it is in then, None where there was nothing. Raises OSError.
    """
    old = [name for name in occupants(state_dir) if name not in stays]
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = f"{_ASIDE}{stamp}-{secrets.token_hex(2)}" if old else None
    sync_tree(new)
    plan = {"aside": aside, "old": old, "new": sorted(path.name for path in new.iterdir())}
    write_whole(new.parent / _PLAN, json.dumps(plan).encode())
    new.parent.rename(state_dir / READY)
    sync_folder(state_dir)
    finish(state_dir)
    return aside


def finish(state_dir: Path) -> str | None:
    """Finish a restore that was decided, as often as need be. Gives where the old state is. Raises OSError."""
    ready = state_dir / READY
    try:
        plan = json.loads(read_own(ready / _PLAN))
    except FileNotFoundError:
        return None
    aside = plan["aside"]
    if aside is not None:
        make_folder(state_dir / aside)
        for name in plan["old"]:
            # What is in the old one's place by now is new where the old one is aside already.
            if not os.path.lexists(state_dir / aside / name) and os.path.lexists(state_dir / name):
                (state_dir / name).rename(state_dir / aside / name)
        sync_folder(state_dir / aside)
    for name in plan["new"]:
        if os.path.lexists(ready / _NEW / name):
            (ready / _NEW / name).rename(state_dir / name)
    sync_folder(state_dir)
    done = state_dir / f"{_WORK}{secrets.token_hex(4)}"
    ready.rename(done)
    _remove(done)
    return None if aside is None else str(aside)


def sync_tree(folder: Path) -> None:
    """Have all that is in a folder on the disk. Raises OSError."""
    for here, _, files in os.walk(folder):
        for name in files:
            descriptor = os.open(Path(here) / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(here))


def _remove(folder: Path) -> None:
    import shutil  # noqa: PLC0415 (every start imports this module, and none has to remove anything)

    shutil.rmtree(folder)
