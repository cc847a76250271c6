"""Lines of query-log blocks: a client, a name, or the facts of a query each, as JSON.

They may have been damaged, or come from anywhere: all is checked before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeVar

from resolver.telemetry import query_blocks as blocks

BEYOND: Final = "a block whose columns point beyond its lines"
_NEEDED_FACTS: Final = len(blocks.FACTS) - 1  # the remark may be missing
_VERDICT: Final = blocks.FACTS.index("verdict")
_PROTOCOL: Final = blocks.FACTS.index("protocol")

Facts = Sequence[str | None]
_Entry = TypeVar("_Entry")


class BlockError(ValueError):
    """Octets that are no block, or one that was damaged, or of a version that we do not know."""


class BlockClient(NamedTuple):
    """Client of a row: an address or a network, "" where none may be told, and who it is where that is known."""

    address: str
    identity: str | None = None


def _json_of(text: bytes) -> Any:
    try:
        read = json.loads(text.decode("ascii"))
        if b"\\u" in text:
            json.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BlockError("a block with half a character, which no answer could hold") from None
    except (ValueError, RecursionError):
        raise BlockError("a block whose text is no JSON") from None
    return read


def _plain_text(line: bytes) -> str | None:
    """Text that a line of JSON holds, as nearly all do, with nothing escaped; None of any other line."""
    if line[:1] != b'"' or line[-1:] != b'"' or b"\\" in line or line.count(b'"') != 2 or not line.isascii():
        return None
    text = line[1:-1].decode()
    return text if text.isprintable() else None


def pointed_at(entries: Sequence[_Entry], number: int) -> _Entry:
    """Give what a number of a column points at. Raises BlockError."""
    if number >= len(entries):
        raise BlockError(BEYOND)
    return entries[number]


def read_clients(text: bytes, count: int) -> list[BlockClient]:
    """Read all lines of the clients. Raises BlockError."""
    return list(map(_client_of, _read_all(text, count)))


def read_names(text: bytes, count: int) -> list[str]:
    """Read all lines of the names. Raises BlockError."""
    names: list[str] = _read_all(text, count)
    if set(map(type, names)) != {str}:
        raise BlockError("a block with names that are none")
    return names


def read_facts(text: bytes, count: int) -> list[Facts]:
    """Read all lines of the facts. Raises BlockError."""
    return list(map(_facts_of, _read_all(text, count)))


def read_object(text: bytes) -> dict[str, object]:
    """Read the object about a block as a whole. Raises BlockError."""
    read = _json_of(text)
    if not isinstance(read, dict):
        raise BlockError("a block that is told of in no object")
    return read


def _read_all(text: bytes, count: int) -> list[Any]:
    read = _json_of(b"[%b]" % text.replace(b"\n", b","))
    if text.count(b"\n") + 1 != count or len(read) != count:
        raise BlockError("a block with other counts than its header has")
    return list(read)


def client_of(line: bytes) -> BlockClient:
    """Read a line of the clients. Raises BlockError."""
    text = _plain_text(line)
    return _client_of(_json_of(line)) if text is None else BlockClient(text)


def _client_of(read: object) -> BlockClient:
    match read:
        case str():
            return BlockClient(read)
        case [str(address), str() | None as identity, *_]:
            return BlockClient(address, identity)
    raise BlockError("a block with a client that is none")


def name_of(line: bytes) -> str:
    """Read a line of the names. Raises BlockError."""
    name = _plain_text(line)
    if name is not None:
        return name
    name = _json_of(line)
    if not isinstance(name, str):
        raise BlockError("a block with names that are none")
    return name


def facts_of(line: bytes) -> Facts:
    """Read a line of the facts. Raises BlockError."""
    return _facts_of(_json_of(line))


def _facts_of(read: object) -> Facts:
    if not isinstance(read, list) or len(read) < _NEEDED_FACTS or not set(map(type, read)) <= {str, type(None)}:
        raise BlockError("a block with facts that are none")
    if read[_VERDICT] is None or read[_PROTOCOL] is None:
        raise BlockError("a block with facts that lack what each has")
    return read
