"""Allow rules of a content file, and names in a sentence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resolver.config.file_policy import content_path
from resolver.system.state_files import reading

MOST_OCTETS: Final = 16 << 20
"""Of a content file that is looked through; a larger one counts as not kept."""

_MOST_NAMED = 20
_ALLOW = b"allow "


@dataclass(frozen=True, slots=True)
class Allowed:
    """Allow rules: some of them, and how many there are."""

    names: tuple[str, ...]
    count: int


def allowed_of(state_dir: Path, content: str) -> Allowed | None:
    """Allow rules of the content file with that SHA-256; None where it is no longer there, or too large."""
    names: list[str] = []
    count = 0
    try:
        with reading(content_path(state_dir, content)) as file:
            if file.seek(0, 2) > MOST_OCTETS:
                return None
            file.seek(0)
            for line in file:
                if line.startswith(_ALLOW):
                    count += 1
                    if count <= _MOST_NAMED:
                        names.append(line[len(_ALLOW) :].decode("utf-8", "replace").rstrip("\n"))
    except OSError:
        return None
    return Allowed(tuple(names), count)


def some_of(names: Collection[str], count: int | None = None) -> str:
    """Names in a sentence: the first twenty, and how many there are besides."""
    shown = list(names)[:_MOST_NAMED]
    left = (len(names) if count is None else count) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")
