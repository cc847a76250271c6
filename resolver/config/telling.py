"""A config as the audit trail tells of it: keys and short values, secrets masked; a change of each shows."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from resolver.wire.local_records import LocalRecord

if TYPE_CHECKING:
    from resolver.config.schema import Config

Told = dict[str, tuple[str, str]]  # by key path: the value as it is shown, and a mark that another value would not have

MASK: Final = "(secret)"
_MOST_KEYS = 5000
_MOST_LOCAL = 5000  # local names that are told one by one
_MOST_LOCAL_CHANGED = 100  # that are told of one change
_LOCAL = "local."
_MOST_ENTRIES = 20  # of a list that is written out
_LONGEST = 200  # characters
_SECRETS = frozenset(("secret", "password", "token", "client_secret", "key", "authorization"))
_PATHS_ARE_SECRET = ("webhooks", "log_sinks")  # of many such services the path is what lets one in
_URL = re.compile(r"([a-z][a-z0-9+.-]*://)(?:[^/@\s]*@)?([^/?#\s]*)([^\s]*)\Z")
_OF_FILE = "file:"
_WORK = {"n": 1 << 13, "r": 8, "p": 1}  # of scrypt: a weak secret should not be found from its mark


def told_of(config: Config) -> Told:
    """All that the file says, in its order, and all local names, those of hosts files among them."""
    told: Told = {}
    said = config.model_dump(mode="json", exclude_unset=True, by_alias=True)
    said.pop("local", None)
    for path, digest in config.local_names.digests.items():
        told[f"local_files[{path}]"] = f"SHA-256 {digest}", digest[:16]
    for path, value in _leaves(said, ""):
        if len(told) >= _MOST_KEYS:
            break
        told[path] = _told(path, value)
    return told | _local_told(config.local_names.records)  # last: however many, they hide nothing


def _local_told(records: tuple[LocalRecord, ...]) -> Told:
    """Local names, each by itself; how many, where they are too many. They are no secrets, whatever they are called."""
    given = {record.name: ", ".join((*record.addresses, *filter(None, [record.alias]))) for record in records}
    if len(given) > _MOST_LOCAL:
        return {"local": (f"{len(given)} names", _mark(json.dumps(given, sort_keys=True)))}
    return {f"{_LOCAL}{name}": (_cut(text), _mark(text)) for name, text in given.items()}


def differences(before: Told, after: Told) -> dict[str, tuple[str | None, str | None]]:
    """The keys that are not the same, as they were and are; None: not in the file.

    Of local names the first hundred, and how many more.
    """
    changed = sorted(key for key in {**before, **after} if before.get(key) != after.get(key))
    local = [key for key in changed if key.startswith(_LOCAL)]
    more = frozenset(local[_MOST_LOCAL_CHANGED:])
    found = {key: (_shown(before, key), _shown(after, key)) for key in changed if key not in more}
    if more:
        counts = [f"{sum(key in told for key in more)} more names" for told in (before, after)]
        found["local (changed)"] = counts[0], counts[1]
    return found


def _shown(told: Told, key: str) -> str | None:
    return told[key][0] if key in told else None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        for index, part in enumerate(value):
            yield from _leaves(part, f"{path}[{part.get('name', index)}]")
    else:
        yield path, value


def _told(path: str, value: Any) -> tuple[str, str]:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    is_secret = path.rpartition(".")[2] in _SECRETS
    if isinstance(value, str) and value.startswith(_OF_FILE):
        return text[:_LONGEST], _mark(text)
    if is_secret and value is not None:
        return MASK, _secret_mark(path, text)
    if isinstance(value, str) and (parts := _URL.match(value)) and _may_hold_secret(path, parts):
        # Passwords stand before the '@'; of many services the path or the query is what lets one in.
        hides_path = "?" in parts[3] or path.startswith(_PATHS_ARE_SECRET)
        return f"{parts[1]}{parts[2]}{'/' + MASK if hides_path else parts[3]}", _secret_mark(path, text)
    if isinstance(value, list) and len(value) > _MOST_ENTRIES:
        return f"{len(value)} entries", _mark(text)
    return _cut(text), _mark(text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _may_hold_secret(path: str, parts: re.Match[str]) -> bool:
    is_plain = parts[0] == f"{parts[1]}{parts[2]}{parts[3]}"
    return not is_plain or "?" in parts[3] or (path.startswith(_PATHS_ARE_SECRET) and parts[3] not in ("", "/"))


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _secret_mark(path: str, text: str) -> str:
    salt = hashlib.sha256(path.encode()).digest()
    return hashlib.scrypt(text.encode("utf-8", "surrogatepass"), salt=salt, dklen=16, **_WORK).hex()
