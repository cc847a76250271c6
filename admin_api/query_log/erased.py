"""The journal of erasures: whom the query log no longer holds, so that an older copy of it is cleansed again.

A line of JSON each, in a file of the state directory. It names nobody: a client or a person is told by an HMAC under
the audit trail's key, which tells again whether somebody is that one, and not who it was. Who has pseudonyms in the log
has a line for each of them, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from admin_api.persons import identity_form
from resolver.system.state_files import read_own, write_whole
from resolver.telemetry.pseudonyms import What
from resolver.telemetry.query_block_lines import BlockClient

ERASED_FILE: Final = "erasures.jsonl"
"""Below state_dir."""
MOST_ERASURES: Final = 100_000
"""Erasures that are noted unless query_log.most_erasures says otherwise; then the oldest are forgotten."""
EVENT: Final = "a client is erased from the query log"
"""Line of the log, which tells of an erasure elsewhere."""

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_OBJECTS = ("queries", "people")  # of audit rows that tell of an erasure
_LONGEST = timedelta(hours=1)  # of an erasure of which only the audit trail tells, and not its end


@dataclass(frozen=True, slots=True)
class ErasureNote:
    """An erasure of the client or person with that digest. Times are ISO 8601 in UTC; `done` is "" until it is."""

    digest: str
    asked: str
    done: str = ""


def digest_of(key: bytes, text: str, what: What = "client") -> str:
    """The client or person as the journal has it: 64 hexadecimal digits."""
    return hmac.new(key, f"erased {what}\0{text}".encode(), hashlib.sha256).hexdigest()


def person_digest(key: bytes, identity: str) -> str:
    """A person who is erased from all that is kept, as the journal has it, the same for every way to write them."""
    return hmac.new(key, b"erased person\0" + identity_form(identity).encode(), hashlib.sha256).hexdigest()


def matcher(key: bytes, digests: Collection[str]) -> Callable[[BlockClient], bool]:
    """Whether a row's client is one of those, by address or by identity; of each it is reckoned once."""
    known: dict[tuple[What, str], bool] = {}

    def is_one(what: What, text: str | None) -> bool:
        if not text:
            return False
        theirs = known.get((what, text))
        if theirs is None:
            theirs = digest_of(key, text, what) in digests
            if what == "identity" and not theirs:
                theirs = person_digest(key, text) in digests
            known[what, text] = theirs
        return theirs

    return lambda client: is_one("client", client.address) or is_one("identity", client.identity)


def read_erasures(state_dir: Path) -> list[ErasureNote]:
    """The journal, in the order of their first asking; lines that cannot be read are passed over. Raises OSError."""
    try:
        content = read_own(state_dir / ERASED_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return merged(notes_of(content.decode("utf-8", "replace")))


def notes_of(text: str) -> Iterable[ErasureNote]:
    """Lines of a journal that can be read."""
    return (note for line in text.split("\n") if (note := _note_of(line)) is not None)


def write_erasures(state_dir: Path, notes: Iterable[ErasureNote], most: int | None = None) -> int:
    """Write the journal anew, with at most so many; gives how many old ones were forgotten. Raises OSError."""
    kept = merged(notes)
    left_out = 0 if most is None else max(0, len(kept) - most)
    lines = [json.dumps(asdict(note), separators=(",", ":")) for note in kept[left_out:]]
    write_whole(state_dir / ERASED_FILE, "".join(f"{line}\n" for line in lines).encode())
    return left_out


def merged(notes: Iterable[ErasureNote]) -> list[ErasureNote]:
    """Each digest once, by its last erasure; those that are not done stay so until a later one is."""
    found: dict[str, ErasureNote] = {}
    for note in notes:
        known = found.get(note.digest)
        if known is None or _moments(note) >= _moments(known):
            found.pop(note.digest, None)  # the newest is the last
            found[note.digest] = note
    return list(found.values())


def told_in(lines: Iterable[str]) -> list[ErasureNote]:
    """Erasures that lines of JSON tell of: a log of the server, or exported rows of its audit trail."""
    found: list[ErasureNote] = []
    for line in lines:
        if '"erase' not in line:
            continue
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            told: Any = json.loads(line[line.index("{") :])
            if told.get("event") == EVENT:
                digests, asked, done = [told["erased"]], str(told["asked"]), str(told["done"])
            elif told.get("action") == "erase" and told.get("object") in _OBJECTS:
                digests, asked = [told["after"]["erased"], *told["after"].get("pseudonyms", ())], str(told["at"])
                done = (_moment(asked) + _LONGEST).isoformat()
            else:
                continue
            notes = (_checked(ErasureNote(str(digest), asked, done)) for digest in digests)
            found += [note for note in notes if note is not None]
    return found


def to_repeat(notes: Iterable[ErasureNote], backup_at: str) -> frozenset[str]:
    """Digests of those whom a backup of that time may still hold: their erasure was not over yet."""
    at = _moment(backup_at)
    return frozenset(note.digest for note in notes if not note.done or _moment(note.done) >= at)


def _moments(note: ErasureNote) -> tuple[datetime, bool]:
    """For their order: of two with the same begin, one that is done is the later."""
    return _moment(note.asked), bool(note.done)


def _moment(text: str) -> datetime:
    """A time with its zone. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def _note_of(line: str) -> ErasureNote | None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        plain: Any = json.loads(line)
        return _checked(ErasureNote(str(plain["digest"]), str(plain["asked"]), str(plain["done"])))
    return None


def _checked(note: ErasureNote) -> ErasureNote | None:
    """None for one that cannot be. Raises ValueError for times that are none."""
    _moment(note.asked), _moment(note.done or note.asked)
    return note if _DIGEST.match(note.digest) else None
