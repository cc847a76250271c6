"""Whether there was a store, as what lies beside it in the state directory proves.

A store that is gone looks like one that was never there, and so would be made anew: lists and exemptions forgotten,
names open. Heads of the audit trail, compiled policies and the audit key say that it was there, and which.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from admin_api.store.audit import KEY_FILE
from admin_api.store.heads import read_heads
from resolver.errors import SnapshotError
from resolver.snapshot.manifests import SNAPSHOTS, read_manifest

UNNAMED: Final = ""
"""There was a store; which, nobody noted."""


def known_store(state_dir: Path) -> str | None:
    """The id of the store that was there, UNNAMED where only that is known; None for a new installation."""
    heads = read_heads(state_dir)
    named = [head.store_id for head in heads if head.store_id]
    if named:
        return named[-1]
    is_known = bool(heads) or (state_dir / KEY_FILE).exists()
    with contextlib.suppress(OSError):
        for path in sorted((state_dir / SNAPSHOTS).glob("manifest-*.json"), reverse=True):
            with contextlib.suppress(SnapshotError):  # one that is damaged proves nothing
                origin = read_manifest(path).origin
                if origin.store_id:
                    return origin.store_id
                is_known = is_known or origin.store_revision > 0
    return UNNAMED if is_known else None


def how_to_go_on(place: str) -> str:
    """Advice to an admin whose store is lost."""
    return (
        f"The last policy stays in force. Bring {place} back, from a backup if need be; or say 'moatdns store "
        "begin-anew', which takes what is there and makes what is not"
    )
