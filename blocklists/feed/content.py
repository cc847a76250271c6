"""The file of a fed catalogue: version, expiry and format number beside the data files, all within what is signed.

It is JSON: ``{"format": 1, "series": "moatdns", "version": 2026112601, "expires": "2027-02-24T00:00:00Z",
"files": {"vendors/acme.yaml": {…}}}``; a file holds what its YAML would. Numbers count up within a series: the bundled
catalogue's is `moatdns`, a company that publishes its own has another.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blocklists.catalogue import Catalogue, CatalogueDomain
from blocklists.data_files import KINDS
from blocklists.loading import catalogue_of
from resolver.errors import CatalogueError
from resolver.policy.rule_syntax import RuleKind
from resolver.wire.names import to_text, wire_of_key

FORMAT: Final = 1
BUNDLED_SERIES: Final = "moatdns"
MOST_RULES: Final = 50_000
MOST_PATTERNS: Final = 1_000
MOST_VERSION: Final = 10**15

_KEYS: Final = {"format", "series", "version", "expires", "files"}
_SERIES = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_FILE = re.compile(r"([a-z]{1,20})/[a-z0-9][a-z0-9-]{0,62}\.yaml\Z")
_EXPIRES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_FOLDERS: Final = frozenset(KINDS) - {"gateways"}  # which say too little: resellers or clouds
_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True)
class FeedVersion:
    """The version of a fed catalogue, and when it is too old to be taken any more."""

    series: str
    number: int
    expires: datetime.datetime

    def __str__(self) -> str:
        return f"version {self.number} of {self.series!r}"

    def has_expired(self, now: datetime.datetime) -> bool:
        """Whether its time is over."""
        return now >= self.expires


@dataclass(frozen=True, slots=True)
class FedCatalogue:
    """A fed catalogue's file, read: its data files are not checked yet (`read`). `digest` is its SHA-256."""

    version: FeedVersion
    files: Mapping[str, object]
    digest: str

    @classmethod
    def parse(cls, content: bytes) -> FedCatalogue:
        """Read the file. Raises CatalogueError."""
        plain = _json(content)
        if not isinstance(plain, dict) or "format" not in plain:
            raise CatalogueError("this is not a catalogue of moatdns: there is no 'format'")
        if plain["format"] != FORMAT or isinstance(plain["format"], bool):
            raise CatalogueError(f"its format is {_short(plain['format'])}; this version of moatdns reads {FORMAT}")
        if plain.keys() != _KEYS:
            differ = ", ".join(sorted(map(_short, plain.keys() ^ _KEYS))[:5])
            raise CatalogueError(f"it has to have {', '.join(sorted(_KEYS))}; not so: {differ}")
        version = FeedVersion(_series(plain["series"]), _number(plain["version"]), _moment(plain["expires"]))
        return cls(version, _files(plain["files"]), hashlib.sha256(content).hexdigest())

    def read(self, beside: Catalogue) -> Catalogue:
        """Check the data files, whose names may be needed by the services of `beside`. Raises CatalogueError."""
        fed = catalogue_of(self.files, self.digest, beside)
        if len(fed.domains) > MOST_RULES:
            raise CatalogueError(f"it has {len(fed.domains)} rules; at most {MOST_RULES} are taken")
        for domain in fed.domains:
            _check_width(domain)
        patterns = sum(domain.rule.kind is not RuleKind.NAME for domain in fed.domains)
        if patterns > MOST_PATTERNS:
            raise CatalogueError(f"it has {patterns} patterns; at most {MOST_PATTERNS} are taken")
        return fed


def _check_width(domain: CatalogueDomain) -> None:
    """Refuse a pattern within a whole top-level domain."""
    rule = domain.rule
    if rule.kind is not RuleKind.NAME and "." not in to_text(wire_of_key(rule.key)):
        raise CatalogueError(f"{domain.service}: {rule.text}: behind the last '*' there have to be two labels")


def built(series: str, number: int, expires: datetime.datetime, files: Mapping[str, object]) -> bytes:
    """The file of a catalogue, to be signed. Raises CatalogueError for what no receiver would take."""
    plain = {
        "format": FORMAT,
        "series": series,
        "version": number,
        "expires": expires.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": files,
    }
    try:
        content = json.dumps(plain, ensure_ascii=False, indent=1, sort_keys=True, default=_told).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise CatalogueError(f"the data files hold what JSON cannot: {error}") from error
    FedCatalogue.parse(content)
    return content


def _told(value: object) -> str:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is neither text, number, date, list nor mapping")


def _json(content: bytes) -> Any:
    try:
        plain = json.loads(content.decode(), object_pairs_hook=_once)
        json.dumps(plain, ensure_ascii=False).encode()  # half characters ("\ud800"), which nothing can show or store
    except (ValueError, RecursionError) as error:  # UnicodeError is a ValueError
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise CatalogueError(f"this is not a catalogue of moatdns: not readable as JSON: {why}") from None
    return plain


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {_short(key)} is there twice")
        found[key] = value
    return found


def _series(value: Any) -> str:
    if not isinstance(value, str) or not _SERIES.match(value):
        raise CatalogueError(f"series: {_short(value)} is not a word of lower-case letters, digits and '-'")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 < value <= MOST_VERSION:
        raise CatalogueError(f"version: {_short(value)} is not a number from 1 to {MOST_VERSION}")
    return value


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, str) and _EXPIRES.match(value):
        try:
            return datetime.datetime.fromisoformat(value)
        except ValueError:
            pass
    raise CatalogueError(f"expires: {_short(value)} is not a time such as '2027-02-24T00:00:00Z'")


def _files(value: Any) -> dict[str, object]:
    if not isinstance(value, dict) or not 0 < len(value) <= _MOST_FILES:
        raise CatalogueError(f"files: expected 1 to {_MOST_FILES} data files by name")
    for name in value:
        match = _FILE.match(name)
        if match is None or match[1] not in _FOLDERS:
            raise CatalogueError(
                f"files: {_short(name)} is not the name of a data file: FOLDER/NAME.yaml, the folder one of "
                f"{', '.join(sorted(_FOLDERS))}"
            )
    return {name: _with_dates(file) for name, file in value.items()}


def _with_dates(file: Any) -> Any:
    """A data file, in which `closed` and its entries' `seen` are dates again; the loader refuses what is none."""
    if not isinstance(file, dict):
        return file
    parts = {
        key: [_dated(entry, "seen") for entry in part] if isinstance(part, list) else part for key, part in file.items()
    }
    return _dated(parts, "closed")


def _dated(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or not isinstance(day := entry.get(key), str) or not _DAY.match(day):
        return entry
    try:
        return {**entry, key: datetime.date.fromisoformat(day)}
    except ValueError:
        return entry


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
