"""Grant, approve, renew and end exemptions."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field, model_validator

from admin_api.editing.common import validated
from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.store import exemptions, groups, lists
from admin_api.store.change import Change
from admin_api.store.errors import Forbidden, StaleVersion, WrongState
from admin_api.store.exemptions import ExemptionRow
from admin_api.subjects.keeper import SubjectChange, SubjectKeeper
from admin_api.subjects.rows import exemption_of
from resolver.clocks import now as moment
from resolver.config import addresses, fields
from resolver.config.references import Known
from resolver.config.rules import read_block_rule
from resolver.config.section import Section
from resolver.config.wording import KeyPath, nearest, shown
from resolver.errors import RuleError
from resolver.policy.groups import parse_client
from resolver.rules import RuleKind, parse_rule

PENDING: Final = "exemption.pending"  # the event
PENDING_SECONDS: Final = 7 * 86400
"""How long an exemption waits for approval that says how long, but not until when, it is to last."""

_MOST_AHEAD = timedelta(days=366)  # of a start
_MOST_CLIENTS = 1000
_MOST_SCOPES = 100
_NOT_EXEMPT = "bypass"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the config says of exemptions."""

    four_eyes: bool
    longest_seconds: int


@dataclass(frozen=True, slots=True)
class Who:
    """Who does it: the token, and who answers for it."""

    actor: str
    owner: str
    request_id: str | None = None

    def is_another_than(self, owner: str) -> bool:
        """Whether this is somebody else, so that two have looked at it."""
        return self.owner.strip().casefold() != owner.strip().casefold()


def _read_client(text: str) -> str:
    try:
        return str(parse_client(text))
    except ValueError:
        raise RuleError(f"{shown(text)} is not an IP address") from None


def _read_text(text: str) -> str:
    if text.strip():
        return text.strip()
    raise RuleError("is empty: an auditor will want to know")


class _Subject(Section):
    client: Annotated[str, fields.reading(_read_client)] | None = None
    clients: (
        Annotated[fields.Texts, Field(min_length=1, max_length=_MOST_CLIENTS), fields.read_each(_read_client)] | None
    ) = None
    network: Annotated[str, fields.reading(addresses.read_network)] | None = None
    group: fields.Name | None = None
    identity: Annotated[str, fields.reading(_read_text), Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> _Subject:
        if len(self.model_dump(exclude_none=True)) != 1:
            why = "names one of client, clients, network, group and identity"
            fields.raise_mistakes([fields.mistake(why, None)])
        return self

    @property
    def kind_and_who(self) -> tuple[str, tuple[str, ...]]:
        """As the store has it."""
        kind, who = next(iter(self.model_dump(exclude_none=True).items()))
        return ("client", tuple(who)) if kind == "clients" else (kind, (who,))


_Text = Annotated[str, fields.reading(_read_text), Field(max_length=1000)]


class _Body(Section):
    subject: _Subject
    scope: Annotated[fields.Texts, Field(min_length=1, max_length=_MOST_SCOPES), fields.read_each(str.strip)]
    owner: Annotated[_Text, Field(max_length=200)]
    reason: _Text
    ticket: Annotated[str, Field(max_length=200)] | None = None
    starts_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    duration_seconds: Annotated[int, Field(ge=1), fields.NUMBER] | None = None

    @model_validator(mode="after")
    def _ends(self) -> _Body:
        if (self.expires_at is None) == (self.duration_seconds is None):
            why = "is required, or duration_seconds" if self.expires_at is None else "stands beside duration_seconds"
            fields.raise_mistakes([fields.mistake(f"{why}: give one of them", None, "expires_at")])
        return self


class _Renewal(Section):
    expires_at: AwareDatetime | None = None
    duration_seconds: Annotated[int, Field(ge=1), fields.NUMBER] | None = None
    reason: _Text | None = None


async def grant(
    keeper: SubjectKeeper, body: Mapping[str, Any], *, known: Known, terms: Terms, who: Who
) -> tuple[ExemptionRow, int]:
    """Grant an exemption, or ask for one where two have to agree; gives the change to wait for as well.

    Raises Invalid, TooMany, StoreAway.
    """
    wanted = validated(_Body, body)
    at = datetime.now(UTC)
    starts, ends = _times(wanted, at, terms)
    kind, whom = wanted.subject.kind_and_who
    is_pending = terms.four_eyes
    values: dict[str, Any] = {
        "kind": kind,
        "who": whom,
        "owner": wanted.owner,
        "reason": wanted.reason,
        "ticket": wanted.ticket,
        "status": "pending" if is_pending else "active",
        "decided_by": None if is_pending else who.actor,
        "starts_at": starts,
        "expires_at": ends,
        "from_approval_seconds": None,
    }
    if is_pending and wanted.duration_seconds is not None and wanted.starts_at is None:
        values["from_approval_seconds"] = wanted.duration_seconds
        values["expires_at"] = at + timedelta(seconds=PENDING_SECONDS)
    async with keeper.change(who.actor, who.request_id) as changing:
        values["scope"] = await _checked(changing.store, kind, whom, wanted.scope, known)
        row = await exemptions.create(changing.store, values, owner=who.owner)
        _bring(changing, row)
        if row.status == "pending":
            changing.tell.append((PENDING, {**row.plain(), "requested_by": row.requested_by}))
    return row, changing.number


async def approve(
    keeper: SubjectKeeper, number: str, *, who: Who, expected_version: int | None
) -> tuple[ExemptionRow, int]:
    """Approve what is pending, or its renewal. Raises NotFound, WrongState, Forbidden, StaleVersion, StoreAway."""
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        renewal = row.renewal
        asked_by = renewal["owner"] if renewal else row.requested_owner
        if row.status == "active" and renewal is None:
            raise WrongState(f"exemption {number!r} is active: there is nothing to approve")
        exemptions.after(row, "approve-renewal" if renewal else "approve")
        if not who.is_another_than(asked_by):
            raise Forbidden(f"{asked_by} asked for it, and somebody else has to approve it: two have to agree")
        if renewal:
            ends = datetime.fromisoformat(renewal["expires_at"])
            row = await exemptions.move(
                changing.store,
                row,
                "approve-renewal",
                owner=who.owner,
                note=renewal["reason"],
                expires_at=ends,
                renewal=None,
                told_ending=False,
            )
        else:
            times: dict[str, Any] = {}
            if row.from_approval_seconds is not None:
                at = datetime.now(UTC)
                times = {"starts_at": at, "expires_at": at + timedelta(seconds=row.from_approval_seconds)}
            row = await exemptions.move(changing.store, row, "approve", owner=who.owner, decided_by=who.actor, **times)
        _bring(changing, row)
    return row, changing.number


async def deny(
    keeper: SubjectKeeper, number: str, *, reason: str | None, who: Who, expected_version: int | None
) -> tuple[ExemptionRow, int]:
    """Deny what is pending, or the renewal of what is active. Raises NotFound, WrongState, StaleVersion, StoreAway."""
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        if row.status == "active" and row.renewal is None:
            raise WrongState(f"exemption {number!r} is active: revoke it")
        action = "deny-renewal" if row.status == "active" else "deny"
        values = {"renewal": None} if row.status == "active" else {"decided_by": who.actor}
        row = await exemptions.move(changing.store, row, action, owner=who.owner, note=reason, **values)
    return row, changing.number


async def revoke(
    keeper: SubjectKeeper, number: str, *, reason: str | None, who: Who, expected_version: int | None
) -> tuple[ExemptionRow, int]:
    """End it now. Raises NotFound, WrongState, StaleVersion, StoreAway."""
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        was_active = row.status == "active"
        row = await exemptions.move(changing.store, row, "revoke", owner=who.owner, note=reason)
        if was_active:
            changing.drop.append(exemption_of(row, moment()))
    return row, changing.number


async def renew(
    keeper: SubjectKeeper,
    number: str,
    body: Mapping[str, Any],
    *,
    terms: Terms,
    who: Who,
    expected_version: int | None,
) -> tuple[ExemptionRow, int]:
    """Let it last longer, or ask for that. Raises NotFound, Invalid, WrongState, StaleVersion, StoreAway."""
    wanted = validated(_Renewal, body)
    if (wanted.expires_at is None) == (wanted.duration_seconds is None):
        raise Invalid([("/expires_at", "give one of expires_at and duration_seconds (from now on)")])
    at = datetime.now(UTC)
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        exemptions.after(row, "renew")
        ends = _ends(wanted, at, at, terms)
        if ends <= row.expires_at:
            raise Invalid([("/expires_at", f"is no later than its end now, {row.expires_at.isoformat()}")])
        if terms.four_eyes:
            asked = {
                "expires_at": ends.isoformat(),
                "reason": wanted.reason,
                "by": who.actor,
                "owner": who.owner,
                "at": at.isoformat(),
            }
            row = await exemptions.move(
                changing.store, row, "request-renewal", owner=who.owner, note=wanted.reason, renewal=asked
            )
            changing.tell.append((PENDING, {**row.plain(), "requested_by": who.actor}))
        else:
            row = await exemptions.move(
                changing.store,
                row,
                "renew",
                owner=who.owner,
                note=wanted.reason,
                expires_at=ends,
                told_ending=False,
            )
            _bring(changing, row)
    return row, changing.number


def _bring(changing: SubjectChange, row: ExemptionRow) -> None:
    if row.status == "active":
        changing.put.append(exemption_of(row, moment()))


async def _found(change: Change, number: str, expected_version: int | None) -> ExemptionRow:
    row = await exemptions.get(change.connection, number)
    if expected_version is not None and expected_version != row.version:
        raise StaleVersion(f"exemption {number!r}")
    return row


def _times(wanted: _Body, at: datetime, terms: Terms) -> tuple[datetime, datetime]:
    """When it starts and ends. Raises Invalid."""
    starts = max((wanted.starts_at or at).astimezone(UTC), at)
    if starts > at + _MOST_AHEAD:
        raise Invalid([("/starts_at", "is more than a year ahead")])
    return starts, _ends(wanted, starts, at, terms)


def _ends(wanted: _Body | _Renewal, starts: datetime, at: datetime, terms: Terms) -> datetime:
    where = "/expires_at" if wanted.expires_at is not None else "/duration_seconds"
    if wanted.duration_seconds is not None and wanted.duration_seconds > terms.longest_seconds:
        raise _too_long(where, terms)
    ends = (wanted.expires_at or starts + timedelta(seconds=wanted.duration_seconds or 0)).astimezone(UTC)
    if ends <= at:
        raise Invalid([(where, "is over already: give a time to come")])
    if ends <= starts:
        raise Invalid([(where, "is not after starts_at")])
    if ends - starts > timedelta(seconds=terms.longest_seconds + 1):
        raise _too_long(where, terms)
    return ends


def _too_long(where: str, terms: Terms) -> Invalid:
    most = timedelta(seconds=terms.longest_seconds)
    return Invalid([(where, f"lets it last longer than {most}, the most there may be: see longest_exemption_seconds")])


async def _checked(
    change: Change, kind: str, who: tuple[str, ...], scope: tuple[str, ...], known: Known
) -> tuple[str, ...]:
    """The scope in its normal form, if all that is named is there. Raises Invalid."""
    if kind == "group" and await groups.find(change.connection, who[0]) is None:
        raise Invalid([("/subject/group", f"there is no group {who[0]!r}")])
    if kind == "network" and ipaddress.ip_network(who[0]).prefixlen == 0:
        raise Invalid([("/subject/network", "is everybody: change the policy instead")])
    own = {row.name for row in await lists.all_lists(change.connection)}
    names = own | (known.sets - {_NOT_EXEMPT}) | known.vendors | known.services
    mistakes: list[tuple[KeyPath, str]] = []
    read: list[str] = []
    for index, text in enumerate(scope):
        try:
            read.append(text if text in names else _name(text, names))
        except RuleError as error:
            mistakes.append((("scope", index), str(error)))
    raise_invalid(mistakes)
    return tuple(dict.fromkeys(read))


def _name(text: str, known: set[str]) -> str:
    """A scope that is a domain name. Raises RuleError."""
    if text.partition("/")[0] == _NOT_EXEMPT:
        raise RuleError("is a way round the resolver, which stays closed for everybody: allow it in a group")
    if "." not in text:
        meant = nearest(text, known)
        hint = f": did you mean {meant!r}?" if meant else ": name 'ai', a vendor, a vendor/service, a list or a name"
        raise RuleError(f"{shown(text)} is not known{hint}")
    if parse_rule(text).kind is not RuleKind.NAME:
        raise RuleError(f"{shown(text)} is a pattern: write names, as in 'chat.example.com' or '*.example.com'")
    return read_block_rule(text)
