"""The one way that each call of the API goes, by HTTP or from a page: under four eyes, what opens waits for another.

A call is done as always, and judged by what it wrote, before that is committed. What opens something is rolled back
and kept as a change request; its approval by another owner does the same call again, and it has to come to the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.caller import SIGNED_IN
from admin_api.api.http.reading import check_query
from admin_api.api.looks import Looks
from admin_api.api.models.changes import ChangeDone, ChangeWaits
from admin_api.api.people import refuse_persons, without_persons
from admin_api.api.resources.changes import CHANGES, DECIDED, found_request, told_as
from admin_api.api.route import Route, operation_name
from admin_api.editing.pauses import check_emergency
from admin_api.editing.refusals import BadRequest
from admin_api.persons import is_same_person
from admin_api.second_owner.effect import finding
from admin_api.second_owner.local_names import LocalFacts
from admin_api.second_owner.openings import openings
from admin_api.store import change_requests, tokens
from admin_api.store.change import JUDGE, Change, Judge
from admin_api.store.change_requests import Asking, ChangeRequestRow, Finding, Sent
from admin_api.store.errors import Forbidden, NeedsAnother, WrongState
from admin_api.store.roles import may, only_leases

PENDING = "change.pending"  # the event
_MAKES_TOKEN = "POST /tokens"  # noqa: S105 (an operation)


class Performing:
    """All operations, by names such as 'PATCH /groups/{name}'."""

    def __init__(self, routes: Iterable[Route], looks: Looks) -> None:
        self.routes = {operation_name(route): route for route in routes}
        self._looks = looks

    async def perform(self, route: Route, call: Call) -> ApiReply:
        """Do it, or keep it for another owner: then the reply has 202 and a ChangeWaits. Raises what handlers raise.

        Persons are left out, and refused, as api/people.py has it; a look at them is noted first.
        """
        name = operation_name(route)
        refuse_persons(name, call)
        await self._looks.note(name, call)
        return without_persons(name, call, await self._done(route, call))

    async def _done(self, route: Route, call: Call) -> ApiReply:
        call = dataclasses.replace(call, carry_out=self._carry_out)
        if not call.context.terms.four_eyes or route.role is None or route.method == "GET":
            return await route.handler(call)
        found: list[Finding] = []
        try:
            with _judged(lambda change: _judge(change, call, found)):
                return await route.handler(call)
        except NeedsAnother:
            return await self._keep(route, call, found[-1])

    async def _keep(self, route: Route, call: Call, found: Finding) -> ApiReply:
        """Have a call wait for another owner. Raises TooMany, StoreAway."""
        query = {} if call.query is None else call.query.model_dump(mode="json", by_alias=True, exclude_none=True)
        tag = call.headers.get("If-Match")
        if tag is not None and not (tag.isascii() and tag.isprintable()):
            tag = None  # the operation takes none, else it would have refused this one
        sent = Sent(operation_name(route), dict(call.path), query, dict(call.body), tag)
        settings = call.context.settings
        part = tokens.new_part() if sent.operation == _MAKES_TOKEN else None
        async with call.change() as change:
            await change_requests.tidy(change)
            row = await change_requests.same(change.connection, sent, call.actor, datetime.now(UTC))
            if row is None:
                row = await change_requests.create(
                    change,
                    sent,
                    found,
                    Asking(call.actor, call.owner, call.token.id if call.token else SIGNED_IN),
                    most=settings.most_change_requests,
                    wait_seconds=settings.change_request_seconds,
                    token_part=part,
                )
                await call.context.outbox.put(change.connection, PENDING, dict(change_requests.facts_of(row)))
            else:
                part = None
        return ApiReply(told_as(ChangeWaits, row, token_part=part), 202, {"Location": f"{CHANGES}/{row.id}"})

    async def _carry_out(self, approval: Call, row: ChangeRequestRow, version: int | None) -> ApiReply:
        """Do what was asked for, since another owner approves it: all in one transaction, judged again.

        Raises Forbidden, WrongState, StaleVersion, BadRequest (403), and what the operation's handler raises.
        """
        route = self.routes.get(row.operation)
        if route is None or route.role is None:
            raise WrongState(
                f"change request {row.id!r} is from another version of moatdns: deny it, and request it again"
            )
        if not may(approval.roles, route.role):
            raise BadRequest(403, f"its change needs the role {route.role}; your token has {', '.join(approval.roles)}")
        async with approval.context.store.read() as connection:
            body = await change_requests.body_of(connection, row)
            asked_with = await tokens.by_id(connection, row.requested_token)
        # What somebody was at the provider when asking is all that is known of a person.
        of_person = row.requested_token == SIGNED_IN and approval.context.settings.oidc is not None
        if not of_person and (asked_with is None or not may(asked_with.roles, route.role)):
            why = "the requesting token or sign-in is gone, or no longer has the role: deny it, and request it again"
            raise WrongState(f"change request {row.id!r}: {why}")
        call = dataclasses.replace(
            approval,
            path=row.path,
            query=None if route.query is None else check_query(dict(row.query), route.query),
            body=body,
            headers={} if row.if_match is None else {"If-Match": row.if_match},
            token_part=row.token_part,
            asker=row.requested_owner,
        )
        decided: list[ChangeRequestRow] = []

        async def agree(change: Change) -> None:
            decided.append(await _agree(change, approval, row, version))

        with _judged(agree):
            reply = await route.handler(call)
        if not decided:
            raise WrongState(f"change request {row.id!r} changes nothing: deny it")
        item = told_as(ChangeDone, decided[-1], result=_plain(reply, row))
        return ApiReply(item, 200, {k: v for k, v in reply.headers.items() if k not in ("ETag", "Location")})


@contextmanager
def _judged(judge: Judge) -> Iterator[None]:
    token = JUDGE.set(judge)
    try:
        yield
    finally:
        JUDGE.reset(token)


async def _judge(change: Change, call: Call, found: list[Finding]) -> None:
    """Raise NeedsAnother for what this caller may not open alone."""
    if only_leases(call.roles):
        await check_hook(change, call)
        return
    longest = call.context.settings.longest_emergency_pause_seconds
    opens = await _opened(change, call) or await check_emergency(change, call.owner, longest)
    if opens:
        found.append(await finding(change, opens))
        raise NeedsAnother(opens)


async def check_hook(change: Change, call: Call) -> None:
    """Raise Forbidden where a lease hook opens a group that its token is not bound to.

    Thousands of leases a minute have no second pair of eyes; the token that sets them had, when it was made.
    """
    if call.token is not None and call.token.groups is not None:
        return  # editing/leases.py holds it to that
    opens = await openings(change, call.context.catalogue, of_hook=True)
    if opens:
        why = "under four eyes a token without bound groups may not do this: use one bound to this group"
        raise Forbidden(f"{'; '.join(opens)}: {why}")


async def _agree(change: Change, approval: Call, row: ChangeRequestRow, version: int | None) -> ChangeRequestRow:
    """Note the approval, if the change is what was asked for. Raises Forbidden, WrongState, StaleVersion."""
    now = await found_request(change, row.id, version)
    if is_same_person(approval.owner, now.requested_owner):
        raise Forbidden(f"{now.requested_owner} requested it: another owner has to approve it")
    did = await finding(change, await all_openings(change, approval))
    if (did.effect, did.opens) != (now.effect, now.opens):
        raise WrongState(
            f"change request {row.id!r} would now have another effect than the requested one: the policy has "
            "changed. Deny it, and request it again"
        )
    decided = await change_requests.decide(change, now, "approve", owner=approval.owner)
    await approval.context.outbox.put(change.connection, DECIDED, dict(change_requests.facts_of(decided)))
    return decided


async def all_openings(change: Change, call: Call) -> list[str]:
    """Openings of a change, pauses among it, whoever makes it."""
    return await _opened(change, call) or await check_emergency(change, call.owner, 0)


async def _opened(change: Change, call: Call) -> list[str]:
    """Openings of a change, but for pauses."""
    keeper = call.context.policy
    has_all_rules = keeper.whole_revision >= change.revision - 1  # that were stored before this change
    access = call.context.access
    policy = keeper.snapshot if has_all_rules else None
    local = LocalFacts(access.local_names.of_config, policy, access.own_names)
    return await openings(change, call.context.catalogue, local=local)


def _plain(reply: ApiReply, row: ChangeRequestRow) -> Any:
    body = reply.body
    if isinstance(body, BaseModel):
        body = body.model_dump(mode="json", by_alias=True)
    if not isinstance(body, dict):
        return None
    if row.token_part is not None and "token" in body:
        # Each of the two has one half, so that neither alone has somebody else's token.
        body = {**body, "token_part": body["token"].removesuffix(row.token_part)}
        del body["token"]
    return body
