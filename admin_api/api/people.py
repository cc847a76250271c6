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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from admin_api.api.http.call import ApiReply, Call
from admin_api.editing.refusals import BadRequest
from admin_api.store.roles import INVESTIGATOR, OPERATOR, may

HIDDEN: Final = "hidden"
"""What a text says that the caller may not see; lists and objects are empty, all else is null."""

_ANY: Final = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Persons:
    """The part of one operation that shows persons.

    `fields` and `deeds` are paths into the reply, through lists as well: "items.client". `asks` are parameters of the
    query that ask for persons: with any value, or with one of those named, alone or among others with commas between.
    """

    fields: tuple[str, ...] = ()
    asks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    all_of_it: bool = False
    to_operators: bool = False  # who handles these things, and so sees the persons in them
    deeds: tuple[str, ...] = ()  # fields that say what a person did, which operators do not see either

    @property
    def told(self) -> str:
        """The sentence that tells what happens to a caller without these roles."""
        parts = [f"is refused with {', '.join(self.refused)}"] if self.asks else []
        parts += [f"does not see {', '.join(self.fields)}"] if self.fields else []
        done = "is refused" if self.all_of_it else " and ".join(parts)
        deeds = f" Without {INVESTIGATOR}, none sees {', '.join(self.deeds)}." if self.deeds else ""
        return f"Without the role {self.needs}, a caller {done}.{deeds}"

    @property
    def refused(self) -> list[str]:
        """The parameters that are refused: "client", "by=client"."""
        return [f"{name}={'|'.join(sorted(values))}" if values else name for name, values in self.asks.items()]

    def shown_to(self, roles: Collection[str]) -> bool:
        """Whether a caller with these roles sees them."""
        return may(roles, INVESTIGATOR) or (self.to_operators and may(roles, OPERATOR))

    def hidden_from(self, roles: Collection[str]) -> tuple[str, ...]:
        """Paths of what a caller with these roles does not see."""
        deeds = () if may(roles, INVESTIGATOR) else self.deeds
        return deeds if self.shown_to(roles) else (*self.fields, *deeds)

    @property
    def needs(self) -> str:
        """The roles that see them, one of which is enough."""
        return f"{INVESTIGATOR} or {OPERATOR}" if self.to_operators else INVESTIGATOR


_EXEMPTION: Final = ("subject", "owner", "reason", "ticket", "requested_by", "requested_owner", "decided_by", "renewal")
_CHANGE: Final = (
    *("path", "query", "opens", "changes", "requested_by", "requested_owner", "decided_by", "decided_owner", "note"),
)
_WHOLE: Final = Persons(all_of_it=True, to_operators=True)


def _of(fields: Sequence[str], within: str = "", *more: str, **asks: frozenset[str]) -> Persons:
    """An operation on what operators handle."""
    return Persons((*(f"{within}{name}" for name in fields), *more), asks, to_operators=True)


PERSONS: Final[Mapping[str, Persons]] = {
    "GET /queries": Persons(("items.client", "items.identity", "items.exemption"), {"client": _ANY, "identity": _ANY}),
    "GET /stats/top": Persons(asks={"by": frozenset({"client", "identity"})}),
    "GET /reports/usage": Persons(asks={"by": frozenset({"identity"})}),
    "GET /reports/forecast": Persons(("groups.top_clients.client",)),
    "POST /policy:plan": Persons(("replay.items.client",)),
    "GET /explain": Persons(("identity",), asks={"client": _ANY, "client_name": _ANY}, to_operators=True),
    "GET /exemptions": _of(_EXEMPTION, "items.", owner=_ANY),
    "GET /exemptions/{id}": _of(_EXEMPTION, "", "history"),
    "GET /reports/exemptions": dataclasses.replace(
        _of([name for name in _EXEMPTION if name not in ("requested_owner", "renewal")], "items."),
        deeds=("items.uses_by",),
    ),
    "GET /change-requests": _of(_CHANGE, "items."),
    "GET /change-requests/{id}": _of(_CHANGE, "", "body"),
    "GET /leases": _WHOLE,
    "GET /leases/{address}": _WHOLE,
    "GET /lease-history": _WHOLE,
    "GET /pauses": _of(("set_by",), "items."),
    "GET /policy/history": _of(("actor",), "items."),
    "GET /unlisted": _of(("decided_by",), "items."),
    "GET /unlisted/{domain}": _of(("decided_by",)),
    "GET /audit": _of(("actor", "before", "after"), "items.", actor=_ANY),
    "GET /audit:export": _WHOLE,
    "GET /reports/evidence": _WHOLE,
    "GET /mail": _of(("to",)),
}
"""By operation; all others show none, or answer who sent the person along (a change of a lease, of an exemption)."""


def refuse_persons(operation: str, call: Call) -> None:
    """Raises BadRequest (403) where a call asks for persons whom its caller may not see."""
    persons = PERSONS.get(operation)
    if persons is None or persons.shown_to(call.roles):
        return
    has = f"your token has {', '.join(call.roles)}"
    if persons.all_of_it:
        raise BadRequest(403, f"this shows persons, and needs the role {persons.needs}; {has}")
    for name, values in persons.asks.items():
        value = getattr(call.query, name)
        if value == type(call.query).model_fields[name].default:  # which asks for nobody
            continue
        if values and values.isdisjoint(part.strip() for part in str(value).split(",")):
            continue
        what = f"{name}={value}" if values else name
        raise BadRequest(
            403,
            f"{what} asks for persons, and needs the role {persons.needs}; {has}",
            [(f"/{name}", f"needs the role {persons.needs}")],
        )


def without_persons(operation: str, call: Call, reply: ApiReply) -> ApiReply:
    """The reply as its caller may see it."""
    persons = PERSONS.get(operation)
    hidden = () if persons is None else persons.hidden_from(call.roles)
    if not hidden:
        return reply
    if not isinstance(reply.body, BaseModel):
        raise TypeError(f"{operation} has fields to hide, and replies with no model")
    body = reply.body
    for path in hidden:
        body = _without(body, path.split("."))
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
