"""The keys of local names: `local`, with addresses or one other name each."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import InitErrorDetails

from resolver.config import fields
from resolver.config.suffixes import is_public_suffix
from resolver.config.wording import shown
from resolver.errors import RuleError
from resolver.wire.local_records import WILDCARD, LocalRecord
from resolver.wire.names import parse_name, to_text

MOST_NAMES: Final = 20_000
"""Local names, those of `local` and of all hosts files together."""

MOST_ADDRESSES: Final = 64
"""Addresses of one local name."""

EVERYBODYS_OWN: Final = ("home.arpa", "internal", "test")
"""Domains that nobody can register: each network has its own names there (RFC 8375, RFC 6761; ICANN, July 2024)."""

_FIXED = ("localhost", "invalid", "onion", "arpa")
_OURS = "home.arpa"


def is_fixed(name: str) -> bool:
    """Whether a name means the same everywhere, so that nobody gives it another meaning (RFC 6761, 7686, 9462)."""
    return not _is_within(name, _OURS) and any(_is_within(name, fixed) for fixed in _FIXED)


def _is_within(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def read_address(text: str) -> str:
    """An address in its one normal form. Raises RuleError."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise RuleError(f"{shown(text)} is not an IP address") from None
    if getattr(address, "scope_id", None):
        raise RuleError(f"{shown(text)} is an address on one link of one host: leave it out")
    return str(address)


def read_name(text: str) -> str:
    """A name of a host in its one normal form. Raises RuleError, also for what is an address."""
    if _is_address(text):
        raise RuleError(f"{shown(text)} is an address, where a name is due")
    return to_text(parse_name(text))


def read_local_name(text: str) -> str:
    """A local name in its one normal form, with or without wildcard. Raises RuleError."""
    written = text.strip()
    wildcard = WILDCARD if written.startswith(WILDCARD) else ""
    name = read_name(written.removeprefix(wildcard))
    if _is_within(name, "arpa") and not _is_within(name, _OURS):
        raise RuleError(f"{shown(text)} is a reverse name, or a special one: reverse names are made of the addresses")
    if is_fixed(name):
        raise RuleError(f"{shown(text)} is a special name, which means the same everywhere: choose another")
    takes_all = wildcard and not any(_is_within(name, own) for own in EVERYBODYS_OWN) and is_public_suffix(name)
    if takes_all:
        raise RuleError(f"{shown(text)} would take the names of everybody below {name}: write your own domain")
    return wildcard + name


def read_given(given: fields.Texts) -> fields.Texts:
    """The addresses of a local name, each once, or its one name. Raises RuleError."""
    if not given:
        raise RuleError("has no address and no name: write them as in ['192.0.2.7'], or remove it")
    if len(given) > MOST_ADDRESSES:
        raise RuleError(f"has {len(given)} addresses: at most {MOST_ADDRESSES} are possible")
    addresses = [text for text in given if _is_address(text)]
    if len(addresses) == len(given):
        return tuple(dict.fromkeys(read_address(text) for text in given))
    if len(given) > 1:
        raise RuleError("should be addresses, or exactly one name (which it then stands for), is a mixture")
    return (read_name(given[0]),)


def _is_address(text: str) -> bool:
    """Whether a text is meant as an address; what is written like one is no name."""
    return ":" in text or text.strip().replace(".", "").isdigit()


def _normal(value: dict[str, fields.Texts]) -> dict[str, fields.Texts]:
    names: dict[str, fields.Texts] = {}
    mistakes: list[InitErrorDetails] = []
    if len(value) > MOST_NAMES:
        mistakes.append(fields.mistake(f"has {len(value)} names: at most {MOST_NAMES} are possible", None))
        value = {}
    for written, given in value.items():
        try:
            name, normal = read_local_name(written), read_given(given)
        except RuleError as error:
            mistakes.append(fields.mistake(str(error), given, written))
            continue
        if name in names:
            mistakes.append(fields.mistake(f"is {name!r}, which is already listed: keep one", written, written))
        names[name] = normal
    fields.raise_mistakes(mistakes)
    return names


def record_of(name: str, given: fields.Texts, origin: str) -> LocalRecord:
    """The record of a checked name and what it has: addresses, or the one name that it stands for."""
    if _is_address(given[0]):
        return LocalRecord(name, addresses=given, origin=origin)
    return LocalRecord(name, alias=given[0], origin=origin)


LocalNamesGiven = Annotated[dict[str, fields.Texts], AfterValidator(_normal)]
