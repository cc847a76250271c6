"""Copies of fed catalogues in the state directory: the one in force, the one that waits, and the highest versions seen.

``state_dir/feed/SHA256.json`` is a catalogue, with its signature beside it, and ``state.json`` says which is which. The
control process alone writes these; a person's `accept` is a file of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from blocklists.feed.content import MOST_VERSION, FedCatalogue
from blocklists.feed.judging import FeedRefused, Highest, authentic
from blocklists.feed.minisign import PublicKey
from resolver.errors import CatalogueError
from resolver.system.state_files import make_folder, read_own, write_whole

SIGNATURE: Final = ".minisig"
FOLDER: Final = "feed"
MOST_OCTETS: Final = 8 << 20
"""The size that receives take unless `policy.catalogue.max_mib` says otherwise."""

_STATE = "state.json"
_ACCEPTED = "accepted"
_DIGEST_DIGITS = 64


@dataclass(frozen=True, slots=True)
class FeedState:
    """The state of a feed: SHA-256 of the files in force and held back, and why; why the last one was refused."""

    in_force: str | None = None
    held: str | None = None
    held_why: str = ""
    refused: str = ""
    highest: Highest = field(default_factory=dict)

    def seen(self, fed: FedCatalogue) -> FeedState:
        """The state with a version as the highest of its series."""
        return replace(self, highest=higher(self.highest, {fed.version.series: (fed.version.number, fed.digest)}))

    def to_plain(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "in_force": self.in_force,
            "held": self.held,
            "held_why": self.held_why,
            "refused": self.refused,
            "highest": plain_of(self.highest),
        }


def higher(one: Highest, other: Highest) -> Highest:
    """The higher of two records' numbers, for each series."""
    return {
        series: max(found, key=lambda seen: seen[0])
        for series in one.keys() | other.keys()
        if (found := [record[series] for record in (one, other) if series in record])
    }


def plain_of(highest: Highest) -> dict[str, list[Any]]:
    """A record of highest versions, as JSON has it."""
    return {series: list(seen) for series, seen in sorted(highest.items())}


def highest_of(plain: object) -> Highest:
    """Read what `plain_of` gave; what is no such record is left out."""
    found: dict[str, tuple[int, str]] = {}
    for series, seen in plain.items() if isinstance(plain, Mapping) else ():
        match seen:
            case [int(number), str(digest)] if 0 < number <= MOST_VERSION and isinstance(series, str):
                found[series] = (number, digest)
    return found


def read_state(state_dir: Path) -> FeedState:
    """The state that was written; an empty one where none can be read."""
    try:
        plain = json.loads(read_own(state_dir / FOLDER / _STATE))
    except (OSError, ValueError):
        return FeedState()
    if not isinstance(plain, dict):
        return FeedState()
    held_why, refused = (str(plain.get(name) or "") for name in ("held_why", "refused"))
    return FeedState(
        _digest(plain.get("in_force")), _digest(plain.get("held")), held_why, refused, highest_of(plain.get("highest"))
    )


def write_state(state_dir: Path, state: FeedState) -> None:
    """Write the state, and remove the copies that it does not name. Raises OSError."""
    folder = state_dir / FOLDER
    make_folder(folder)
    write_whole(folder / _STATE, json.dumps(state.to_plain(), sort_keys=True).encode())
    needed = {digest for digest in (state.in_force, state.held) if digest is not None}
    for path in folder.iterdir():
        if len(path.name) > _DIGEST_DIGITS and path.name[:_DIGEST_DIGITS] not in needed:
            path.unlink(missing_ok=True)


def keep(state_dir: Path, content: bytes, signature: bytes) -> str:
    """Keep a catalogue with its signature; gives the SHA-256 that it is called by. Raises OSError."""
    digest = hashlib.sha256(content).hexdigest()
    make_folder(state_dir / FOLDER)
    write_whole(signature_path(state_dir, digest), signature)
    write_whole(kept_path(state_dir, digest), content)
    return digest


def kept_path(state_dir: Path, digest: str) -> Path:
    """The path of a copy."""
    return state_dir / FOLDER / f"{digest}.json"


def signature_path(state_dir: Path, digest: str) -> Path:
    """The path of a copy's signature."""
    return state_dir / FOLDER / f"{digest}.json{SIGNATURE}"


def load_signed(state_dir: Path, digest: str, keys: Sequence[PublicKey]) -> FedCatalogue:
    """A copy that one of the keys has signed. Raises FeedRefused, also for one that was changed or is gone."""
    try:
        signature = read_own(signature_path(state_dir, digest))
        content = read_own(kept_path(state_dir, digest))
    except OSError as error:
        raise FeedRefused("fetch", f"its copy {error.filename} cannot be read: {error.strerror or error}") from error
    return authentic(content, signature, keys)[0]


def load_fed(path: Path) -> FedCatalogue:
    """A copy, by its path, as it was written: its name is its SHA-256. Raises CatalogueError."""
    try:
        content = read_own(path)
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != path.name.partition(".")[0]:
        raise CatalogueError(f"{path}: the content has been changed")
    return FedCatalogue.parse(content)


def accept_held(state_dir: Path, digest: str) -> None:
    """Say that a person accepts the copy that waits. Raises OSError."""
    write_whole(state_dir / FOLDER / _ACCEPTED, digest.encode())


def accepted(state_dir: Path) -> str | None:
    """The copy that a person has accepted last; None where there is none."""
    try:
        return _digest(read_own(state_dir / FOLDER / _ACCEPTED).decode("ascii", "replace"))
    except OSError:
        return None


def _digest(value: object) -> str | None:
    is_one = isinstance(value, str) and len(value) == _DIGEST_DIGITS and set(value) <= set("0123456789abcdef")
    return str(value) if is_one else None
