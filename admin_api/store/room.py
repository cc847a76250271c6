"""Whether the state directory has room for what a change of the policy brings about."""

from __future__ import annotations

import os
from pathlib import Path

from admin_api.store.errors import StoreFull

LEAST_BYTES = 1 << 20
"""With less room left, no change of the policy is taken: what could not be compiled would never come in force."""


def free_bytes(state_dir: Path) -> int | None:
    """Octets that we may still write there; None where nobody can tell."""
    try:
        found = os.statvfs(state_dir)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def size_bytes(state_dir: Path) -> int | None:
    """Octets of the whole disk; None where nobody can tell."""
    try:
        found = os.statvfs(state_dir)
    except OSError:
        return None
    return found.f_blocks * found.f_frsize


def check_room(state_dir: Path) -> None:
    """Raise StoreFull where less than LEAST_BYTES are left."""
    free = free_bytes(state_dir)
    if free is not None and free < LEAST_BYTES:
        raise StoreFull(
            f"the disk is full: {state_dir} has {free >> 10} KiB left, and a change of the policy needs "
            f"{LEAST_BYTES >> 10}"
        )
