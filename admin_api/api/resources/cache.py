"""The workers' caches."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from resolver.errors import MoatdnsError, RuleError
from resolver.wire.names import parse_any_name, to_text


async def flush(call: Call) -> ApiReply:
    """POST /cache:flush."""
    name, below = call.body.get("name"), call.body.get("below", True)
    if name is not None:
        try:
            name = to_text(parse_any_name(name))
        except RuleError as error:
            raise Invalid([("/name", str(error))]) from None
    try:
        forgotten = await call.context.node.flush(name, below=below)
    except MoatdnsError as error:
        raise BadRequest(503, str(error), Retry_After="1") from None
    async with call.change() as change:
        change.record("flush", "cache", None, {"name": name, "below": below, "forgotten": forgotten})
    return ApiReply(models.Flushed(forgotten=forgotten))
