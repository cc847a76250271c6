"""JSON arrays of strings, as counters' keys and the query log have them, without an encoder made for each."""

from __future__ import annotations

from collections.abc import Iterable
from json.encoder import encode_basestring_ascii


def quoted(text: str) -> str:
    """A string as JSON, in ASCII."""
    return encode_basestring_ascii(text)


def array_of(entries: Iterable[str | None]) -> str:
    """Strings and nulls as a compact JSON array, in ASCII; equal entries give equal texts."""
    return "[" + ",".join(["null" if one is None else encode_basestring_ascii(one) for one in entries]) + "]"
