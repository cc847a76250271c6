"""Personal texts of audit rows: which they are, and the commitments that stand in their place in the chain.

A commitment is SHA-256(salt || text as canonical JSON), with a random salt of 16 octets for each text of a row. Within
the row's JSON it is ``{"commitment": "<64 hex digits>"}``; text and salt are in a table of their own (`audit_texts`),
from where a text can be struck, and every row still has the content that its mac is over.

Rows that were written before there were commitments hold their texts themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from admin_api.store.columns import canonical

SALT_OCTETS: Final = 16

PERSONAL: Final[Mapping[str, frozenset[str]]] = {
    "change-requests": frozenset({"address", "opens", "note"}),
    "config": frozenset({"people.legal_holds"}),
    "exemptions": frozenset({"subject", "owner", "requested_owner", "reason", "ticket"}),
    "pauses": frozenset({"reason"}),
    "people": frozenset({"address", "client", "clients", "identity", "identities", "reason"}),
    "privacy": frozenset({"reason"}),
    "queries": frozenset({"client", "identity", "reason"}),
    "tokens": frozenset({"address"}),
    "unlisted": frozenset({"reason"}),
}
"""Names of fields with personal texts, at any depth, by kind of object; every text below such a field is one.

Rows of other kinds name nobody whom something was decided about. Who decided stays in the chain: actors, and owners of
tokens.
"""

ABOUT: Final[Mapping[str, str | None]] = {"config": None, "exemptions": "subject"}
"""The field with whom a row is about, by kind of object; None: nobody. Other kinds are about all whom they name."""

_PLACE = "commitment"
# Within a JSON string each quote has a backslash before it: no text can look like this.
_IN_ROW = re.compile(r'\{"commitment":"([0-9a-f]{64})"\}')


@dataclass(frozen=True, slots=True)
class CommittedText:
    """A text as canonical JSON, with its salt (hex) and the commitment (hex) to both."""

    commitment: str
    salt: str
    text: str


def commitment_of(salt: str, text: str) -> str:
    """The commitment to a text (canonical JSON), in hex. Raises ValueError for a salt that is not hex."""
    return hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest()


def committed(
    object: str,  # noqa: A002 (the trail's word)
    before: str | None,
    after: str | None,
    salts: Callable[[int], bytes] = secrets.token_bytes,
) -> tuple[str | None, str | None, list[CommittedText]]:
    """`before` and `after` of a row (canonical JSON) with commitments in the place of personal texts, and the texts.

    Equal texts of a row have one commitment.
    """
    fields = PERSONAL.get(object.partition("/")[0])
    if fields is None:
        return before, after, []
    made: dict[str, CommittedText] = {}

    def place(text: str) -> dict[str, str]:
        whole = canonical(text)
        if whole not in made:
            salt = salts(SALT_OCTETS).hex()
            made[whole] = CommittedText(commitment_of(salt, whole), salt, whole)
        return {_PLACE: made[whole].commitment}

    def replaced(value: Any, *, is_personal: bool) -> Any:
        if isinstance(value, str):
            return place(value) if is_personal else value
        if isinstance(value, list):
            return [replaced(one, is_personal=is_personal) for one in value]
        if isinstance(value, dict):
            return {key: replaced(one, is_personal=is_personal or key in fields) for key, one in value.items()}
        return value

    states = [
        None if state is None else canonical(replaced(json.loads(state), is_personal=False))
        for state in (before, after)
    ]
    return states[0], states[1], list(made.values())


def commitments_in(*states: str | None) -> Iterator[str]:
    """Commitments that stand in `before` and `after` of a row."""
    for state in states:
        if state is not None:
            yield from _IN_ROW.findall(state)


def has_commitments(*states: str | None) -> bool:
    """Whether a commitment stands in `before` or `after` of a row."""
    return next(commitments_in(*states), None) is not None


def opened(state: str | None, texts: Mapping[str, str]) -> str | None:
    """`before` or `after` with texts (canonical JSON, by commitment) where commitments stand."""
    return None if state is None else _IN_ROW.sub(lambda found: texts.get(found[1], found[0]), state)


def is_about(object: str, commitments: Set[str], *states: str | None) -> bool:  # noqa: A002 (the trail's word)
    """Whether a row is about somebody whom its texts with these commitments name: then all its texts are."""
    kind = object.partition("/")[0]
    if kind not in ABOUT:
        return True
    field = ABOUT[kind]
    values = (json.loads(state) for state in states if state is not None)
    below = (value.get(field) for value in values if isinstance(value, dict)) if field is not None else ()
    return not commitments.isdisjoint(commitments_in(*map(canonical, below)))
