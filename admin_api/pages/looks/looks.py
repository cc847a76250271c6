"""Why somebody looks at persons: asked once a look, remembered by the session for an hour, and kept by the trail.

Where another owner has to agree to each look (`policy.look_approval`), the same form asks for that.
"""

from __future__ import annotations

import time

from aiohttp import web

from admin_api.api.models.looks import AGREED_TO
from admin_api.editing.refusals import BadRequest
from admin_api.pages.shared.addresses import ours
from admin_api.pages.shared.look import Look
from admin_api.pages.shared.visit import Visit
from resolver.config.fields import read_one_line
from resolver.errors import RuleError

_LONGEST = 1000  # characters of a reason, as the API takes it
_LONGEST_WHOM = 200


def ask(visit: Visit, look: Look) -> web.Response:
    """The form, in place of the page that looks at persons."""
    if visit.is_part:  # the whole page asks
        return web.Response(status=204, headers={"HX-Refresh": "true"})
    return _form(visit, look, visit.wanted)


async def show(visit: Visit) -> web.StreamResponse:
    """The form again, with what is wrong in it."""
    return _form(visit, _sent(visit), ours(visit.text("next")))


async def give(visit: Visit) -> web.StreamResponse:
    """POST /look: the reason; then on to what was wanted, or to the request that waits for another owner."""
    reason, look = visit.text("reason"), _sent(visit)
    try:
        read_one_line(reason)
    except RuleError as error:
        raise BadRequest(422, "the reason cannot be taken", [("/reason", str(error))]) from None
    if not reason or len(reason) > _LONGEST:
        why = f"is longer than {_LONGEST} characters" if reason else "is missing: write why you look at persons"
        raise BadRequest(422, "the reason cannot be taken", [("/reason", why)])
    visit.session.give_reason(look.key, reason, time.monotonic())
    if _needs_two(visit, look):
        whom = {name: text for name, text in (("client", look.client), ("identity", look.identity)) if text}
        await visit.call("POST /looks", body={"operation": look.operation, **whom, "reason": reason})
    return visit.go(ours(visit.text("next")))


def _sent(visit: Visit) -> Look:
    return Look(*(visit.text(name)[:_LONGEST_WHOM] for name in ("operation", "client", "identity")))


def _form(visit: Visit, look: Look, wanted: str) -> web.Response:
    facts = {"needs_two": _needs_two(visit, look), "last": visit.session.last_reason}
    return visit.render("looks/look.html", look=look, wanted=wanted, **facts)


def _needs_two(visit: Visit, look: Look) -> bool:
    return visit.context.settings.looks_need_two and look.operation in AGREED_TO
