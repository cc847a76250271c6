"""Exemptions as a call asks for them: to whom, for what, and until when; read and checked."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from admin_api.editing.common import Said, end_of, read_address, read_said
from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.store import groups, lists
from admin_api.store.change import Change
from resolver.config import addresses, fields
from resolver.config.list_rules import read_block_rule
from resolver.config.references import KnownReferences
from resolver.config.section import Section
from resolver.config.settings import ControlSettings
from resolver.config.wording import KeyPath, nearest, shown
from resolver.errors import RuleError
from resolver.policy.rule_syntax import Rule, RuleForm, RuleKind, parse_rule

_MOST_AHEAD = timedelta(days=366)  # of a start
_MOST_CLIENTS = 1000
_MOST_SCOPES = 100
LONGEST = "longest_exemption_seconds"  # the setting
_NOT_EXEMPT = "bypass"
_STAYS_CLOSED = "is a way around the resolver, which stays blocked for everybody: allow it in a group"
_ANY_LABEL = b"\x01*"  # in a key


@dataclass(frozen=True, slots=True)
class Terms:
    """The config's settings of exemptions."""

    four_eyes: bool
    longest_seconds: int

    @classmethod
    def of(cls, settings: ControlSettings) -> Terms:
        """Terms on which exemptions are granted here."""
        return cls(settings.approval == "four-eyes", settings.longest_exemption_seconds)


class _Subject(Section):
    client: Annotated[str, fields.reading(read_address)] | None = None
    clients: (
        Annotated[fields.Texts, Field(min_length=1, max_length=_MOST_CLIENTS), fields.read_each(read_address)] | None
    ) = None
    network: Annotated[str, fields.reading(addresses.read_network)] | None = None
    group: fields.Name | None = None
    identity: Annotated[str, fields.reading(read_said), Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> _Subject:
        if len(self.model_dump(exclude_none=True)) != 1:
            why = "needs exactly one of client, clients, network, group and identity"
            fields.raise_mistakes([fields.mistake(why, None)])
        return self

    @property
    def kind_and_who(self) -> tuple[str, tuple[str, ...]]:
        """As the store has it."""
        kind, who = next(iter(self.model_dump(exclude_none=True).items()))
        return ("client", tuple(who)) if kind == "clients" else (kind, (who,))


class Asked(Section):
    """An exemption that is asked for."""

    subject: _Subject
    scope: Annotated[fields.Texts, Field(min_length=1, max_length=_MOST_SCOPES), fields.read_each(str.strip)]
    owner: Annotated[Said, Field(max_length=200)]
    reason: Said
    ticket: Annotated[str, Field(max_length=200)] | None = None
    starts_at: fields.Moment | None = None
    expires_at: fields.Moment | None = None
    duration_seconds: Annotated[int, Field(ge=1), fields.NUMBER] | None = None

    @model_validator(mode="after")
    def _ends(self) -> Asked:
        if (self.expires_at is None) == (self.duration_seconds is None):
            why = (
                "is required, or duration_seconds"
                if self.expires_at is None
                else "is given together with duration_seconds"
            )
            fields.raise_mistakes([fields.mistake(f"{why}: use one of them", None, "expires_at")])
        return self


class Renewal(Section):
    """A later end that is asked for."""

    expires_at: fields.Moment | None = None
    duration_seconds: Annotated[int, Field(ge=1), fields.NUMBER] | None = None
    reason: Said | None = None


def times_of(wanted: Asked, at: datetime, terms: Terms) -> tuple[datetime, datetime]:
    """When it starts and ends. Raises Invalid."""
    starts = max(wanted.starts_at or at, at)
    if starts > at + _MOST_AHEAD:
        raise Invalid([("/starts_at", "is more than a year ahead")])
    return starts, end_of(wanted, starts, at, terms.longest_seconds, LONGEST)


async def checked_scope(
    change: Change, kind: str, who: tuple[str, ...], scope: tuple[str, ...], known: KnownReferences
) -> tuple[str, ...]:
    """The scope in its normal form, if all that is named is there. Raises Invalid."""
    if kind == "group" and await groups.find(change.connection, who[0]) is None:
        raise Invalid([("/subject/group", f"there is no group {who[0]!r}")])
    if kind == "network" and ipaddress.ip_network(who[0]).prefixlen == 0:
        raise Invalid([("/subject/network", "is everybody: change the policy instead")])
    own = {row.name for row in await lists.all_lists(change.connection)}
    names = own | (known.sets - {_NOT_EXEMPT}) | known.kinds | known.vendors | known.services
    mistakes: list[tuple[KeyPath, str]] = []
    read: list[str] = []
    for index, text in enumerate(scope):
        try:
            read.append(text if text in names else _name(text, names, known.ways_round))
        except RuleError as error:
            mistakes.append((("scope", index), str(error)))
    raise_invalid(mistakes)
    return tuple(dict.fromkeys(read))


def _name(text: str, known: set[str], ways_round: tuple[Rule, ...]) -> str:
    """A scope that is a domain name. Raises RuleError."""
    if text.partition("/")[0] == _NOT_EXEMPT:
        raise RuleError(_STAYS_CLOSED)
    if "." not in text:
        meant = nearest(text, known)
        hint = f": did you mean {meant!r}?" if meant else ": use 'ai', a vendor, a vendor/service, a list or a name"
        raise RuleError(f"{shown(text)} is not known{hint}")
    rule = parse_rule(text)
    if rule.kind is not RuleKind.NAME:
        raise RuleError(f"{shown(text)} is a pattern: write names, as in 'chat.example.com' or '*.example.com'")
    first = rule.key + _ANY_LABEL if rule.form is RuleForm.BELOW else rule.key
    if any(way.covers(first) for way in ways_round):
        raise RuleError(f"{shown(text)} {_STAYS_CLOSED}")
    return read_block_rule(text)
