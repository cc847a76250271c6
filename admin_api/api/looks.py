"""Looks at persons: each has a reason, and a row of the audit trail before anything is shown.

Who goes on with a look (the same caller, persons and reason) is noted once in `audit.look_seconds`, since a live page
asks every two seconds, and a long search page by page.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from pydantic import BaseModel

from admin_api.api.http.call import Call
from admin_api.api.models.looks import AGREED_TO
from admin_api.api.people import PERSONS
from admin_api.editing.refusals import BadRequest
from admin_api.store.looks import all_grants

LOOK: Final = ("look", "people")
"""Action and object of the audit row."""

MOST_LOOKS: Final = 10_000

_Look = tuple[str, ...]


class Looks:
    """Looks that were noted lately; beyond MOST_LOOKS the oldest is forgotten, and noted again if it goes on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted: OrderedDict[_Look, float] = OrderedDict()  # when; the newest is at the end
        self._turn = asyncio.Lock()  # of two alike that come at once, one is noted
        self.forgotten = 0  # before their time was over

    async def note(self, operation: str, call: Call) -> None:
        """Note a call, if it is a look at persons.

        Raises BadRequest where it has no reason (422), or nobody agreed to it (403), Invalid, StoreAway.
        """
        found = _look_of(operation, call)
        if found is None:
            return
        asked, reason = found
        await _check_granted(operation, call, asked, reason)
        look = (call.actor, operation, *(f"{name}={value}" for name, value in asked.items()), reason)
        seconds = call.context.settings.look_seconds
        if self._is_noted(look, seconds):
            return
        async with self._turn:
            if self._is_noted(look, seconds):
                return
            async with call.change() as change:
                change.record(*LOOK, None, {"operation": operation, **asked, "reason": reason})
            self._keep(look, seconds)

    def _is_noted(self, look: _Look, seconds: int) -> bool:
        at = self._noted.get(look)
        return at is not None and self._clock() - at < seconds

    def _keep(self, look: _Look, seconds: int) -> None:
        now = self._clock()
        self._noted.pop(look, None)
        self._noted[look] = now
        while self._noted and (len(self._noted) > MOST_LOOKS or now - next(iter(self._noted.values())) >= seconds):
            _, at = self._noted.popitem(last=False)
            self.forgotten += now - at < seconds


def _look_of(operation: str, call: Call) -> tuple[Mapping[str, str], str] | None:
    """Persons who are looked at, as parameters have them, and why; None: no look. Raises BadRequest (422), Invalid."""
    persons = PERSONS.get(operation)
    if persons is not None and persons.of_body is not None:
        person = persons.of_body(call.body)
        return {"identity": person.identity}, person.reason
    asked = looked_at(operation, call.query, call.roles)
    if asked is None:
        return None
    reason: str | None = call.query.reason
    if reason is None or not reason.strip():
        what = " and ".join(asked)
        raise BadRequest(
            422,
            f"{what} looks at persons: say why, as in reason=TEXT; the audit trail keeps it",
            [("/reason", f"is required with {what}")],
        )
    return asked, reason


async def _check_granted(operation: str, call: Call, asked: Mapping[str, str], reason: str) -> None:
    """Raise BadRequest (403) where another owner has to agree to a look, and has not."""
    if not call.context.settings.looks_need_two or operation not in AGREED_TO:
        return
    async with call.context.store.read() as connection:
        granted = await all_grants(connection)
    if not any(one.is_for(call.owner, operation, asked, reason) for one in granted):
        raise BadRequest(
            403,
            "another owner has to agree to this look first: ask for it by POST /looks, with the same operation, client "
            "or identity, and reason",
        )


def looked_at(operation: str, query: BaseModel, roles: Collection[str]) -> Mapping[str, str] | None:
    """The parameters by which a call looks at persons, with their values, as api/people.py has them; None: no look."""
    persons = PERSONS.get(operation)
    return None if persons is None else persons.looked_at(query, roles)
