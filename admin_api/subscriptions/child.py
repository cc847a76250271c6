"""Reads what was fetched, in a process of its own: its memory and its time are nobody else's.

Run as ``python -m admin_api.subscriptions.child FD``; asked to `ReadList` (admin_api.subscriptions.messages).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from admin_api.child_process import do_for_parent
from admin_api.subscriptions.messages import LIST_CHANNEL, ListRead, ReadList
from blocklists.formats.content import ListContent
from blocklists.formats.reading import read_list
from resolver.config.file_policy import write_contents
from resolver.system.state_files import reading

_PIECE = 1 << 18
_MOST_TOLD = 20


def read(order: ReadList) -> ListRead:
    """Read the list, and write its rules to a content file. Raises MoatdnsError, OSError."""
    content = read_list(_pieces(order.file), order.format, most_bytes=order.most_bytes, quotes=order.quotes)
    digest = hashlib.sha256(content.content).hexdigest()
    if content.rules:
        write_contents(order.state_dir, {digest: content.content})
    return ListRead(digest, content.rules, content.patterns, content.regexes, _report(content))


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


if __name__ == "__main__":
    do_for_parent(LIST_CHANNEL, (ReadList,), read)
