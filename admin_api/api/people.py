"""Persons in the API's replies, and who sees them: the one table, and its use for each call.

A person is known by an address, a client's name, an identity, or what is written in an exemption. A caller without
the role `investigator` gets an operation with those fields hidden; what asks for a person, by a filter or a grouping,
is refused. What an operator handles (exemptions, leases, changes that wait, and the record of them) shows operators
the persons that are in it.

A new field or filter that is about persons has its name added here: tests/unit/admin_api/test_people.py finds
fields by what they are called.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any, Final

from pydantic import BaseModel

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.editing.people import PersonBody, read_person
from admin_api.editing.refusals import BadRequest
from admin_api.privacy_in_force import WIDEN
from admin_api.store.roles import INVESTIGATOR, OPERATOR, may

HIDDEN: Final = "hidden"
"""Text in the place of one that the caller may not see; lists and objects are empty, all else is null."""

_ANY: Final = frozenset[str]()
_ITEMS: Final = "items"


@dataclass(frozen=True, slots=True)
class Persons:
    """The part of one operation that shows persons.

    `fields` and `deeds` are paths into the reply, through lists as well: "items.client". `asks` are parameters of the
    query that ask for persons: with any value, or with one of those named, alone or among others with commas between;
    "tokens/*" is all that begins so.
    What no path says is left out by `without_names`, of who does not see persons, and by `without_deeds`, of who does
    not see deeds, which make the reply anew; `told_more` says what.
    A look at persons (api/looks.py) is a call with one of `looks`, with a reason for `deeds`, or of `of_body`.
    """

    fields: tuple[str, ...] = ()
    asks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    all_of_it: bool = False
    looks: Mapping[str, frozenset[str]] = field(default_factory=dict)  # parameters like `asks`: they need a reason
    of_body: Callable[[Mapping[str, Any]], PersonBody] | None = None  # reads the one person whom a body names, and why
    to_operators: bool = False  # who handles these things, and so sees the persons in them
    deeds: tuple[str, ...] = ()  # fields that say what a person did: for investigators alone, who give a reason
    without_names: Callable[[Any], BaseModel] | None = None
    without_deeds: Callable[[Any], BaseModel] | None = None
    told_more: str = ""
    shown_to_all: Callable[[Any], bool] | None = None  # items of a listing that nothing is hidden of

    @property
    def told(self) -> str:
        """The sentence that tells what happens to a caller without these roles."""
        parts = [f"is refused with {', '.join(self.refused)}"] if self.asks else []
        parts += [f"does not see {', '.join(self.fields)}"] if self.fields else []
        done = "is refused" if self.all_of_it else " and ".join(parts)
        told = [f"Without the role {self.needs}, a caller {done}."] if done else []
        if self.deeds:
            also = f", nor {self.told_more}" if self.without_deeds else ""
            seen = f"none sees {', '.join(self.deeds)}{also}"
            told.append(f"Without the role {INVESTIGATOR} and reason, which the audit trail has, {seen}.")
        elif self.told_more:
            told.append(f"Nor does it see {self.told_more}.")
        if self.looks:
            told.append(f"With {', '.join(self.written_looks)}, reason is required; the audit trail has it.")
        if self.of_body is not None:
            told.append("The audit trail has the reason.")
        return " ".join(told)

    @property
    def refused(self) -> list[str]:
        """The parameters that are refused: "client", "by=client"."""
        return _written(self.asks)

    @property
    def written_looks(self) -> list[str]:
        """The parameters that need a reason, likewise."""
        return _written(self.looks)

    def asked_by(self, query: BaseModel) -> dict[str, str]:
        """The parameters of a call that ask for persons, with their values."""
        return _asked(self.asks, query)

    def looked_at(self, query: BaseModel, roles: Collection[str]) -> dict[str, str] | None:
        """Those by which a call looks at persons, none for a look at all whom a reply has; None: it is no look."""
        if asked := _asked(self.looks, query):
            return asked
        return {} if self.deeds and self.shows_deeds(query, roles) else None

    @staticmethod
    def shows_deeds(query: BaseModel | None, roles: Collection[str]) -> bool:
        """True for a caller who sees what persons did: an investigator, who says why."""
        return may(roles, INVESTIGATOR) and bool((getattr(query, "reason", None) or "").strip())

    def shown_to(self, roles: Collection[str]) -> bool:
        """Whether a caller with these roles sees them."""
        return may(roles, INVESTIGATOR) or (self.to_operators and may(roles, OPERATOR))

    def hidden_from(self, roles: Collection[str], query: BaseModel | None) -> tuple[str, ...]:
        """Paths of what a caller with these roles does not see."""
        deeds = () if self.shows_deeds(query, roles) else self.deeds
        return deeds if self.shown_to(roles) else (*self.fields, *deeds)

    @property
    def needs(self) -> str:
        """The roles that see them, one of which is enough."""
        return f"{INVESTIGATOR} or {OPERATOR}" if self.to_operators else INVESTIGATOR


def _written(parameters: Mapping[str, frozenset[str]]) -> list[str]:
    return [f"{name}={'|'.join(sorted(values))}" if values else name for name, values in parameters.items()]


def _asked(parameters: Mapping[str, frozenset[str]], query: BaseModel) -> dict[str, str]:
    """Those of a call's parameters that have one of the values given, or, where none are given, any but the usual."""
    found = {}
    for name, values in parameters.items():
        value = getattr(query, name)
        if value == type(query).model_fields[name].default:
            continue
        if not values or _names_one(str(value), values):
            found[name] = str(value)
    return found


def _names_one(text: str, values: Collection[str]) -> bool:
    """True where one of a parameter's values, with commas between, is among those that ask for persons."""
    return any(fnmatchcase(part.strip(), value) for part in text.split(",") for value in values)


_EXEMPTION: Final = (
    *("subject", "client_hosts", "owner", "reason", "ticket"),
    *("requested_by", "requested_owner", "decided_by", "renewal"),
)
_CHANGE: Final = (
    *("path", "query", "opens", "changes", "requested_by", "requested_owner", "decided_by", "decided_owner", "note"),
)
_WHOSE: Final = {"client": _ANY, "identity": _ANY}
_BY_PERSON: Final = frozenset({"identity"})
_RANKED: Final = frozenset({"client", "identity"})
_WHOLE: Final = Persons(all_of_it=True, to_operators=True)


def _of(fields: Sequence[str], within: str = "", *more: str, **asks: frozenset[str]) -> Persons:
    """An operation on what operators handle."""
    return Persons((*(f"{within}{name}" for name in fields), *more), asks, to_operators=True)


def _uses_of_many(report: models.ExemptionReport) -> models.ExemptionReport:
    """Numbers of uses by a group or a network alone: all others are what one person did."""
    nothing = {"uses": None, "last_used_at": None}
    items = [item if _is_of_many(item.subject) else item.model_copy(update=nothing) for item in report.items]
    return report.model_copy(update={"items": items})


def _is_of_many(subject: str) -> bool:
    """Whether an exemption's subject, as the report has it, is more than one address."""
    kind, _, who = subject.partition(" ")
    return kind == "group" or (kind == "network" and ip_network(who, strict=False).num_addresses > 1)


def _tokens_unnamed(page: models.Audit) -> models.Audit:
    """The trail without names of tokens, which are often called after who has them."""
    unnamed = {"object": f"tokens/{HIDDEN}"}
    items = [item.model_copy(update=unnamed) if item.object.startswith("tokens/") else item for item in page.items]
    return page.model_copy(update={"items": items})


def _lease_unnamed(explained: models.Explained) -> models.Explained:
    """A trace that does not say whose lease the address is."""
    unnamed = {"outcome": HIDDEN, "detail": HIDDEN}
    trace = [{**step, **(unnamed if step["step"] == "lease" else {})} for step in explained.trace]
    return explained.model_copy(update={"trace": trace})


PERSONS: Final[Mapping[str, Persons]] = {
    "GET /queries": Persons(
        ("items.client", "items.client_host", "items.identity", "items.exemption"), _WHOSE, looks=_WHOSE
    ),
    "GET /stats/top": Persons(("items.client_host",), {"by": _RANKED | {"exemption"}}, looks={"by": _RANKED}),
    "GET /reports/usage": Persons(asks={"by": _BY_PERSON | {"exemption"}}, looks={"by": _BY_PERSON}),
    "GET /reports/forecast": Persons(deeds=("groups.top_clients.client",)),
    # Whoever may write a group into the document, of one address, reads in a replay what that address asked for.
    "POST /policy:plan": Persons(("replay",), {"replay_seconds": _ANY}, looks={"replay_seconds": _ANY}),
    "GET /explain": Persons(
        ("identity", "client_host"),
        {"client": _ANY, "client_name": _ANY},
        to_operators=True,
        without_names=_lease_unnamed,
        told_more="whose lease it is, in trace",
    ),
    "GET /exemptions": _of(_EXEMPTION, "items.", owner=_ANY),
    "GET /exemptions/{id}": _of(_EXEMPTION, "", "history"),
    "GET /reports/exemptions": dataclasses.replace(
        _of([name for name in _EXEMPTION if name not in ("client_hosts", "requested_owner", "renewal")], "items."),
        deeds=("items.uses_by",),
        without_deeds=_uses_of_many,
        told_more="items.uses and items.last_used_at of an exemption for single addresses or an identity",
    ),
    "GET /change-requests": _of(_CHANGE, "items."),
    "GET /change-requests/{id}": _of(_CHANGE, "", "body"),
    "GET /leases": _WHOLE,
    "GET /leases/{address}": _WHOLE,
    "GET /lease-history": dataclasses.replace(_WHOLE, looks={"address": _ANY, "identity": _ANY}),
    "GET /pauses": _of(("set_by",), "items."),
    "GET /policy/history": _of(("actor",), "items."),
    "GET /unlisted": _of(("decided_by",), "items."),
    "GET /unlisted/{domain}": _of(("decided_by",)),
    "GET /audit": dataclasses.replace(
        _of(("actor", "before", "after"), "items.", actor=_ANY, object=frozenset({"tokens/*"})),
        without_names=_tokens_unnamed,
        told_more="names of tokens in items.object",
        shown_to_all=lambda row: (row.action, row.object) == WIDEN,
    ),
    "GET /audit:export": _WHOLE,
    "POST /people:export": Persons(all_of_it=True, of_body=read_person),
    "GET /reports/evidence": Persons(all_of_it=True),  # a signed whole, with how often each exemption was used
    "GET /mail": _of(("to", "last_error")),  # a mail server's refusal names the recipient
    "GET /log-sinks": _of(("last_error",), "items."),  # a sink's own words may have a row in them
}
"""By operation; all others show none, or answer who sent the person along (a change of a lease, of an exemption)."""


def refuse_whole(operation: str, roles: Collection[str]) -> None:
    """Raises BadRequest (403) where all of an operation shows persons whom a caller with these roles may not see."""
    persons = PERSONS.get(operation)
    if persons is not None and persons.all_of_it and not persons.shown_to(roles):
        has = f"your token has {', '.join(roles)}"
        raise BadRequest(403, f"this shows persons, and needs the role {persons.needs}; {has}")


def refuse_persons(operation: str, call: Call) -> None:
    """Raises BadRequest (403) where a call asks for persons whom its caller may not see."""
    refuse_whole(operation, call.roles)
    persons = PERSONS.get(operation)
    if persons is None or persons.shown_to(call.roles):
        return
    has = f"your token has {', '.join(call.roles)}"
    for name, value in persons.asked_by(call.query).items():
        what = f"{name}={value}" if persons.asks[name] else name
        raise BadRequest(
            403,
            f"{what} asks for persons, and needs the role {persons.needs}; {has}",
            [(f"/{name}", f"needs the role {persons.needs}")],
        )


def without_persons(operation: str, call: Call, reply: ApiReply) -> ApiReply:
    """The reply as its caller may see it."""
    persons = PERSONS.get(operation)
    hidden = () if persons is None else persons.hidden_from(call.roles, call.query)
    if persons is None or not hidden:
        return reply
    body = reply.body
    if not isinstance(body, BaseModel):
        raise TypeError(f"{operation} has fields to hide, and replies with no model")
    shows_deeds = persons.shows_deeds(call.query, call.roles)
    for anew in (
        None if shows_deeds else persons.without_deeds,
        None if persons.shown_to(call.roles) else persons.without_names,
    ):
        body = body if anew is None else anew(body)  # before the fields are hidden that it looks at
    for path in hidden:
        body = _without(body, path.split("."))
    if persons.shown_to_all is not None:
        pairs = zip(getattr(reply.body, _ITEMS), getattr(body, _ITEMS), strict=True)
        items = [whole if persons.shown_to_all(whole) else hidden for whole, hidden in pairs]
        body = body.model_copy(update={_ITEMS: items})
    return dataclasses.replace(reply, body=body)


def _without(value: Any, path: Sequence[str]) -> Any:
    """A copy without the field at a path; the path goes through lists and what is null."""
    if isinstance(value, list):
        return [_without(one, path) for one in value]
    if not isinstance(value, BaseModel):
        return value
    name, *deeper = path
    field = getattr(value, name)
    return value.model_copy(update={name: _without(field, deeper) if deeper else _hidden(field)})


def _hidden(value: Any) -> Any:
    match value:
        case str():
            return HIDDEN
        case list():
            return []
        case Mapping():
            return {}
        case _:
            return None
