"""Reads what was fetched, in a process of its own: its memory and its time are nobody else's.

Run as ``python -m admin_api.subscriptions.child``: one order on stdin,
``{"file", "format", "most_bytes", "state_dir", "quotes"}``; one outcome on stdout,
``{"content": SHA-256, "rules", "patterns", "regexes", "report"}`` or ``{"error"}``.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blocklists.formats.content import ListContent
from blocklists.formats.reading import read_list
from resolver.config.file_policy import write_contents
from resolver.errors import MoatdnsError
from resolver.system.state_files import reading

_NICE = 10  # serving comes first
_PIECE = 1 << 18
_MOST_TOLD = 20


def read(order: dict[str, Any]) -> dict[str, Any]:
    """Read the list, and write its rules to a content file. Raises MoatdnsError."""
    pieces = _pieces(Path(order["file"]))
    content = read_list(pieces, order["format"], most_bytes=order["most_bytes"], quotes=order["quotes"])
    digest = hashlib.sha256(content.content).hexdigest()
    if content.rules:
        write_contents(Path(order["state_dir"]), {digest: content.content})
    counts = {"rules": content.rules, "patterns": content.patterns, "regexes": content.regexes}
    return {"content": digest, **counts, "report": _report(content)}


def _report(content: ListContent) -> dict[str, Any]:
    return {
        "format": content.format,
        "lines": content.lines,
        "duplicates": content.duplicates,
        "unreadable": content.problem_count,
        "problems": [asdict(problem) for problem in content.problems[:_MOST_TOLD]],
        "inexpressible": {reason: asdict(found) for reason, found in list(content.inexpressible.items())[:_MOST_TOLD]},
    }


def _pieces(path: Path) -> Iterator[bytes]:
    with reading(path) as file:
        while piece := file.read(_PIECE):
            yield piece


def main() -> None:
    """Do what stdin says."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal sends them to all; the supervisor decides
    os.nice(_NICE)
    gc.disable()
    order = json.loads(sys.stdin.readline())
    try:
        outcome = read(order)
    except (MoatdnsError, OSError) as error:
        outcome = {"error": str(error)}
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
