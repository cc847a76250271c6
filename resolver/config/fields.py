"""Types of fields: they read what an admin wrote, normalise it, and say in plain words what is wrong.

A string is taken where a number or a switch is due, since what the environment fills in is a string.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from resolver.config import addresses, list_rules
from resolver.config.servers import read_bootstrap, read_server
from resolver.config.wording import either, shown
from resolver.errors import RuleError
from resolver.system.safe_text import refuse_acting, refuse_acting_in_prose
from resolver.wire.names import parse_name, to_text

_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z")
_MOST_WORKERS = 256
_YEARS = range(1970, 9000)  # of a moment: room to reckon with it, in any time zone


def mistake(why: str, value: object, *path: str | int) -> InitErrorDetails:
    """One mistake, at `path` below what is being validated."""
    return InitErrorDetails(type=_refusal(why), loc=path, input=value)


def _refusal(why: str) -> PydanticCustomError:
    return PydanticCustomError("mistake", "{why}", {"why": why})


def raise_mistakes(mistakes: list[InitErrorDetails]) -> None:
    """Raise the mistakes, if there are any, each to stand under its own path."""
    if mistakes:
        raise ValidationError.from_exception_data("mistakes", mistakes)


def read_each(read: Callable[[str], str], *, twice: Literal["once", "refuse"] = "once") -> BeforeValidator:
    """Validate a list of text in one pass: `read` normalises an entry or raises RuleError.

    An entry that comes twice is kept once, or refused. Built for 100,000 rules: no validator an entry.
    """

    def read_all(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value  # pydantic says what it should be
        mistakes: list[InitErrorDetails] = []
        seen: dict[str, int] = {}
        for index, entry in enumerate(value):
            if not isinstance(entry, str):
                mistakes.append(mistake(not_text(entry), entry, index))
                continue
            try:
                text = read(entry)
            except RuleError as error:
                mistakes.append(mistake(str(error), entry, index))
                continue
            if seen.setdefault(text, index) != index and twice == "refuse":
                mistakes.append(mistake(f"{shown(entry)} is the same as entry [{seen[text]}]: keep one", entry, index))
        raise_mistakes(mistakes)
        return tuple(seen)

    return BeforeValidator(read_all)


def not_text(value: object) -> str:
    """The sentence about a value that should have been text."""
    hint = f': put it in quotes, as in "{value}"' if isinstance(value, int | float) else ""
    return f"should be text, is {shown(value)}{hint}"


def reading(read: Callable[[str], str]) -> BeforeValidator:
    """Validate one text: `read` normalises it or raises RuleError."""

    def read_one(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return read(value)
        except RuleError as error:
            raise _refusal(str(error)) from None

    return BeforeValidator(read_one)


def _read_name(text: str) -> str:
    if _NAME.match(text):
        return text
    raise RuleError(
        f"{shown(text)} is not a name: use lower-case letters, digits and '-', at most 63, and no '-' at the beginning"
    )


def _number(value: Any) -> Any:
    if isinstance(value, bool):  # pydantic would take true for 1
        raise _refusal(f"should be a number, is {shown(value)}")
    return value


def _switch(value: Any) -> Any:
    if isinstance(value, str):
        value = _SWITCH.get(value.strip().lower(), value)
    if not isinstance(value, bool):
        raise _refusal(f"should be true or false, is {shown(value)}")
    return value


def _cut(value: Any) -> Any:
    if value == "always":
        return value
    try:
        return _switch(value)
    except PydanticCustomError:
        raise _refusal(f"should be true, false or 'always', is {shown(value)}") from None


def _workers(value: Any) -> Any:
    if value == "auto":
        return value
    try:
        count = None if isinstance(value, bool | float) else int(value)
    except (TypeError, ValueError):
        count = None
    if count is None or not 1 <= count <= _MOST_WORKERS:
        raise _refusal(f"should be 'auto' or a whole number from 1 to {_MOST_WORKERS}, is {shown(value)}")
    return count


def one_of(*words: str) -> BeforeValidator:
    """Say plainly which words are known; the field's own type is the Literal of the same words."""

    def check(value: Any) -> Any:
        if value not in words:
            raise _refusal(f"should be {either(words)}, is {shown(value)}")
        return value

    return BeforeValidator(check)


def _read_folder(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise RuleError(f"{shown(text)} is not a path")
    return text


def read_domain(text: str) -> str:
    """A domain name in its one normal form. Raises RuleError."""
    return to_text(parse_name(text))


def read_host_name(text: str) -> str:
    """A name or address that a Host header may hold, without port."""
    written = text.strip().lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(written.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    if not _HOST_NAME.match(written):
        raise RuleError(f"{shown(text)} is not a host name: write it as in 'moatdns.corp.example', without port")
    return written


def _read_store_url(text: str) -> str:
    """The URL of a store, or ``file:PATH`` where that file holds one. It is a secret: no error shows it."""
    written = text.strip()
    url = secret(written)
    if not url.startswith(("postgresql://", "postgres://")):
        raise RuleError("is not the URL of a store: write 'postgresql://USER:PASSWORD@HOST/DATABASE', or null")
    return written


def read_one_line(text: str) -> str:
    """A text that is shown as one line wherever people read it. Raises RuleError."""
    refuse_acting(text)
    return text


def read_prose(text: str) -> str:
    """A note for people, which may have line breaks. Raises RuleError."""
    refuse_acting_in_prose(text)
    return text


def secret(text: str) -> str:
    """A secret as it is, or with ``file:PATH`` the content of that file. Raises RuleError."""
    if not text.startswith("file:"):
        return text
    path = text.removeprefix("file:")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise RuleError(f"{shown(path)} cannot be read: {why}") from None


def _normal_zones(value: dict[str, Texts]) -> dict[str, Texts]:
    """Normalise the names of zones, networks as their reverse zones, and refuse one that is there twice.

    A reverse zone of two networks is the longer one's.
    """
    zones: dict[str, Texts] = {}
    lengths: dict[str, int] = {}
    mistakes: list[InitErrorDetails] = []
    for written, servers in value.items():
        try:
            names, length = addresses.read_zone(written)
        except RuleError as error:
            mistakes.append(mistake(str(error), written, written))
            continue
        for name in names:
            known = lengths.get(name)
            if known == length:
                mistakes.append(mistake(f"is the zone {name!r}, which is already listed: keep one", written, written))
            if known is None or known <= length:
                zones[name], lengths[name] = servers, length
    raise_mistakes(mistakes)
    return zones


def _moment(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise _refusal(f"should be a time in the years {_YEARS[0]} to {_YEARS[-1]}")
    return value.astimezone(UTC)


_ZONE_NAMES = AfterValidator(_normal_zones)
NUMBER = BeforeValidator(_number)
Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
Switch = Annotated[bool, BeforeValidator(_switch)]
NxdomainCut = Annotated[bool | Literal["always"], BeforeValidator(_cut)]
Positive = Annotated[int, Field(gt=0), NUMBER]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False), NUMBER]
Workers = Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=_MOST_WORKERS)], BeforeValidator(_workers)]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$"), reading(_read_name)]
Folder = Annotated[Path, reading(_read_folder)]
File = Annotated[Path, reading(_read_folder)]
StoreUrl = Annotated[str, reading(_read_store_url)]
Endpoint = Annotated[str, reading(addresses.read_endpoint)]
Ipv4 = Annotated[str, Field(json_schema_extra={"format": "ipv4"}), reading(addresses.read_ipv4)]
Ipv6 = Annotated[str, Field(json_schema_extra={"format": "ipv6"}), reading(addresses.read_ipv6)]

Texts = tuple[str, ...]
Endpoints = Annotated[Texts, Field(min_length=1), read_each(addresses.read_endpoint, twice="refuse")]
OptionalEndpoints = Annotated[Texts, read_each(addresses.read_endpoint, twice="refuse")]
Servers = Annotated[Texts, Field(min_length=1), read_each(read_server, twice="refuse")]
BootstrapServers = Annotated[Texts, read_each(read_bootstrap, twice="refuse")]
Zones = Annotated[dict[str, Servers], _ZONE_NAMES]
ClientSets = Annotated[Texts, read_each(addresses.read_client_set)]
Networks = Annotated[Texts, read_each(addresses.read_network)]
ClientNames = Annotated[Texts, read_each(addresses.read_client_name)]
HostNames = Annotated[Texts, read_each(read_host_name)]
BlockRules = Annotated[Texts, read_each(list_rules.read_block_rule)]
AllowRules = Annotated[Texts, read_each(list_rules.read_allow_rule)]
References = Annotated[Texts, read_each(str.strip)]
