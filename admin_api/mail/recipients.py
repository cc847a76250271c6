"""Recipients of each event: those who look after the node, and persons whose address is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from admin_api.outbox.receivers import DEGRADED, RECOVERED
from admin_api.persons import NOT_VERIFIED
from resolver.config.mail_schema import read_mail_address
from resolver.errors import RuleError

SUMMARY: Final = "summary.weekly"
PENDING: Final = "exemption.pending"
DECIDED: Final = "exemption.decided"
ENDING: Final = "exemption.ending"

EVENTS: Final = (PENDING, DECIDED, ENDING, DEGRADED, RECOVERED, SUMMARY)
"""Events that are mailed."""

_TO_PERSONS: Final[Mapping[str, tuple[str, ...]]] = {DECIDED: ("asked_by", "owner"), ENDING: ("owner",)}
"""Fields of an event that may hold the address of a person who is written to."""

_NOT_TO_KEEPERS: Final = (DECIDED,)


def recipients_of(event: str, data: Mapping[str, Any], to: Collection[str], domains: Collection[str]) -> list[str]:
    """The addresses that an event is mailed to, each once."""
    keepers = [] if event in _NOT_TO_KEEPERS else list(to)
    persons = (address_of(data.get(field), domains) for field in _TO_PERSONS.get(event, ()))
    return list(dict.fromkeys([*keepers, *(person for person in persons if person is not None)]))


def address_of(person: object, domains: Collection[str]) -> str | None:
    """The mail address that a person's name is, if it is one below no domain but ours: others are never written to.

    One that was typed into the block page's form is written to as well: such a mail has no word of the request's in it.
    """
    if not isinstance(person, str):
        return None
    try:
        address = read_mail_address(person.removesuffix(NOT_VERIFIED))
    except RuleError:
        return None
    return address if address.rpartition("@")[2] in domains else None
