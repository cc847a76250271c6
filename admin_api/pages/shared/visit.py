"""One request for a page, as the functions that make pages see it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment
from multidict import MultiDict, MultiDictProxy

from admin_api.api import models
from admin_api.api.context import Context
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.caller import Caller
from admin_api.api.http.callers import demand
from admin_api.api.http.problems import EXPECTED, told_of
from admin_api.api.http.reading import check_body, check_query
from admin_api.api.looks import looked_at
from admin_api.api.people import PERSONS
from admin_api.api.performing import Performing
from admin_api.editing.refusals import RefusedCall
from admin_api.pages.login.sessions import Session
from admin_api.pages.shared.look import AsksWhy, Look
from admin_api.pages.shared.menu import MenuChapter, MenuEntry
from admin_api.pages.shared.outcome import told_of_reply
from admin_api.pages.shared.templates import rendered
from admin_api.persons import is_same_person
from admin_api.store.roles import INVESTIGATOR, may

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Waits(Exception):
    """Nothing was changed: what was asked for waits until another owner approves it."""

    def __init__(self, item: models.ChangeWaits) -> None:
        super().__init__(item.id)
        self.item = item

    @property
    def told(self) -> str:
        """The problem's text, as the page shows it."""
        part = self.item.token_part
        half = f" The second half of the token, shown only once, is {part}" if part else ""
        return f"Nothing has changed yet: this waits for another owner's approval.{half}"


@dataclass(slots=True)
class Visit:
    """One request to a page: the caller, the path, and what was sent along."""

    context: Context
    performing: Performing  # the operations of the API, which pages call without HTTP in between
    templates: Environment
    session: Session
    caller: Caller
    request_id: str
    address: str  # the path that was asked for, without the query
    host: str  # as the browser calls this server, with the port
    path: Mapping[str, str]  # the parts of the path that are named
    query: Mapping[str, str]
    form: MultiDictProxy[str] = field(default_factory=lambda: MultiDictProxy(MultiDict()))
    is_part: bool = False  # htmx asks, for a part of a page
    problem: RefusedCall | None = None  # why what was sent is refused: the page is shown again, with what was sent

    def may(self, role: str) -> bool:
        """Whether who looks has that role; pages leave out what may not be done."""
        return may(self.caller.roles, role)

    @property
    def four_eyes(self) -> bool:
        """Whether two have to agree to what opens a name."""
        return self.context.terms.four_eyes

    def is_mine(self, owner: str) -> bool:
        """Whether who looks is that person, and so is not the second one who decides."""
        return is_same_person(self.caller.owner, owner)

    def may_do(self, operation: str) -> bool:
        """Whether who looks may do an operation of the API, such as 'POST /groups'."""
        role = self.performing.routes[operation].role
        shows_nothing_else = operation in PERSONS and PERSONS[operation].all_of_it
        return (role is None or self.may(role)) and (not shows_nothing_else or self.sees_persons(operation))

    def sees_persons(self, operation: str) -> bool:
        """Whether who looks sees the persons in an operation's reply, and may ask for one. KeyError where are none."""
        return PERSONS[operation].shown_to(self.caller.roles)

    def entries_of(self, chapter: MenuChapter) -> list[MenuEntry]:
        """Entries of the menu that lead who looks to anything."""
        entries = [entry for entry in chapter.entries if self.may(entry.role)]
        return [entry for entry in entries if entry.operation is None or self.may_do(entry.operation)]

    async def call(
        self,
        operation: str,
        *,
        query: Mapping[str, object] = _NOTHING,
        body: Mapping[str, object] | None = None,
        version: str | None = None,
        path: Mapping[str, str] = _NOTHING,
    ) -> ApiReply:
        """Do an operation of the API, such as 'PATCH /groups/{name}', with `name` in `path`, as the session's token.

        `version` is the ETag that the thing must still have; None demands none. Raises Waits, AsksWhy, and what the
        API makes problems of: they are told on the page. KeyError for an operation that is none.
        """
        route = self.performing.routes[operation]
        if route.role is not None:
            demand(self.caller, route.role)
        asked = None if route.query is None else check_query(self._with_reason(operation, query), route.query)
        call = Call(
            self.context,
            self.caller.actor,
            self.request_id,
            path,
            asked,
            {} if route.body is None else check_body(dict(body or {}), route.body),
            {} if version is None else {"If-Match": version},
            owner=self.caller.owner,
            roles=self.caller.roles,
            token=self.caller.token,
        )
        reply = await self.performing.perform(route, call)
        if isinstance(reply.body, models.ChangeWaits):
            raise Waits(reply.body)
        return reply

    def reason_for(self, operation: str, query: Mapping[str, object] = _NOTHING) -> str | None:
        """The reason that the session has for a look at persons; None where none was given within the hour."""
        return self.session.reason_for(Look.of(operation, query).key, time.monotonic())

    def shows_rankings(self, operation: str) -> bool:
        """True where a page shows rankings of persons beside others: it is asked to, or a reason is given."""
        if not may(self.caller.roles, INVESTIGATOR):
            return False
        may_go_on = self.reason_for(operation) is not None and not self.context.settings.looks_need_two
        return "persons" in self.query or may_go_on

    def reason_to_rank(self, operation: str) -> dict[str, str]:
        """The parameter by which a reply says what each of its persons did; none where the page does not show that.

        Raises AsksWhy.
        """
        if not self.shows_rankings(operation):
            return {}
        reason = self.reason_for(operation)
        if reason is None:
            raise AsksWhy(Look(operation))
        return {"reason": reason}

    def _with_reason(self, operation: str, query: Mapping[str, object]) -> Mapping[str, object]:
        """A query with the reason that its look needs. Raises AsksWhy; a form has a field for it, and is not asked."""
        route = self.performing.routes[operation]
        if operation not in PERSONS or route.query is None or query.get("reason") or not self.sees_persons(operation):
            return query
        if not looked_at(operation, check_query(query, route.query), self.caller.roles):
            return query
        reason = self.reason_for(operation, query)
        if reason is None and not self.form:
            raise AsksWhy(Look.of(operation, query))
        return query if reason is None else {**query, "reason": reason}

    async def ask(
        self, operation: str, *, query: Mapping[str, object] = _NOTHING, path: Mapping[str, str] = _NOTHING
    ) -> Any:
        """The model that an operation replies with."""
        return (await self.call(operation, query=query, path=path)).body

    async def ask_or_tell(self, operation: str, query: Mapping[str, object], otherwise: Any = None) -> Any:
        """The same; `otherwise` where what was asked for is a mistake, which the page tells beside its form."""
        try:
            return await self.ask(operation, query=query)
        except EXPECTED as error:
            self.problem = told_of(error)
            return otherwise

    async def ask_with_version(self, operation: str, path: Mapping[str, str]) -> tuple[Any, str]:
        """The model that an operation replies with, and its ETag; "" for what has none."""
        reply = await self.call(operation, path=path)
        return reply.body, reply.headers.get("ETag", "")

    async def do(
        self,
        operation: str,
        done: str,
        *,
        then: str,
        path: Mapping[str, str] = _NOTHING,
        query: Mapping[str, object] = _NOTHING,
        body: Mapping[str, object] | None = None,
    ) -> web.Response:
        """Do what a form asks for, of the version that it was made from; the page `then` says that it is `done`."""
        reply = await self.call(operation, path=path, query=query, body=body, version=self.version)
        return self.go(then, told=told_of_reply(reply, done))

    def listing(self, limit: int, **filters: object) -> dict[str, object]:
        """The query of a listing, which goes on at the cursor that the address has."""
        cursor = {"cursor": self.query["cursor"]} if "cursor" in self.query else {}
        return {**filters, **cursor, "limit": limit}

    @property
    def wanted(self) -> str:
        """The address that was asked for, with its query."""
        return f"{self.address}?{urlencode(self.query)}" if self.query else self.address

    def text(self, name: str) -> str:
        """A field of the form, without white space around it; "" where it was not sent."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def said(self, name: str) -> str:
        """A field of the form, else of the address."""
        return self.text(name) or self.query.get(name, "").strip()

    def filters(self, names: Sequence[str]) -> dict[str, str]:
        """Those fields of the address that say something."""
        return {name: value for name in names if (value := self.query.get(name, "").strip())}

    @property
    def version(self) -> str | None:
        """The ETag of what the form was made from; None where it does not say."""
        return self.text("version") or None

    def lines(self, name: str) -> list[str]:
        """A field of the form with an item a line (or separated by commas), without empty ones."""
        return [item for line in self.whole_lines(name) for part in line.split(",") if (item := part.strip())]

    def whole_lines(self, name: str) -> list[str]:
        """A field of the form with an item a line, which may have commas, without empty ones."""
        return [item for line in self.text(name).splitlines() if (item := line.strip())]

    def render(self, template: str, **facts: Any) -> web.Response:
        """A page, or a part of one."""
        told = [] if self.is_part else self.session.take_told()
        text = rendered(self.templates, template, {"visit": self, "problem": self.problem, "told": told, **facts})
        status = 200 if self.problem is None else self.problem.status
        return web.Response(text=text, status=status, content_type="text/html")

    def go(self, address: str, *, told: str | None = None, **query: str) -> web.Response:
        """Have the browser go on to another page, which says `told` once. The address is one of ours."""
        if told is not None:
            self.session.tell(told)
        place = f"{address}?{urlencode(query)}" if query else address
        if self.is_part:
            return web.Response(status=204, headers={"HX-Redirect": place})
        return web.Response(status=303, headers={"Location": place})

    def pass_on(self, reply: ApiReply) -> web.Response:
        """Pass an operation's reply on as it is: a file to download."""
        return web.Response(
            status=reply.status, body=reply.payload(), headers={**reply.headers, "Content-Type": reply.content_type}
        )

    @property
    def server(self) -> str:
        """This server's name, where people see it away from here."""
        serves = self.context.serves
        return serves.server_name or serves.identity or self.host

    def value(self, name: str, current: Any) -> Any:
        """The value of a form's field: as it was sent, where that was refused; else, and in other forms, `current`."""
        return self.form[name] if self.problem is not None and name in self.form else current

    def mistakes(self, pointer: str) -> list[str]:
        """Mistakes at a place of what was sent (a JSON pointer, and all below it)."""
        if self.problem is None:
            return []
        return [text for at, text in self.problem.errors if at == pointer or (pointer and at.startswith(f"{pointer}/"))]


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class PageRoute:
    """One address of the site. `role` is the least that may; what a refused form was on is `shown_again`."""

    method: str
    path: str
    handler: Handler
    role: str = "viewer"
    shown_again: Handler | None = None
