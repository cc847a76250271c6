"""Lines that say what a revision of the policy did, compressed, so that it can be taken back.

A line is JSON: ``["object", "groups/x", before, after]``, and ``["+", list, action, [rules]]`` or ``["-", …]`` of rules
that were added or removed. So a list of a million rules costs what changes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

Line = list[Any]


class Undo:
    """Lines of one change, gathered and compressed on the way."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj()
        self._packed: list[bytes] = []

    def put(self, line: Line) -> None:
        """One more line."""
        self._packed.append(self._packer.compress(json.dumps(line, separators=(",", ":")).encode() + b"\n"))

    def rules(self, sign: str, list_name: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Rules (action, rule) that were added ("+") or removed ("-")."""
        by_action: dict[str, list[str]] = {}
        for action, rule in pairs:
            by_action.setdefault(action, []).append(rule)
        for action, texts in by_action.items():
            self.put([sign, list_name, action, texts])

    def packed(self) -> bytes:
        """All of it."""
        return b"".join([*self._packed, self._packer.flush()])


def lines_of(packed: bytes) -> Iterator[Line]:
    """The lines of a packed Undo."""
    for line in zlib.decompress(packed).splitlines():
        yield json.loads(line)
