"""Single persons: erased from all that the node keeps."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model


async def erase(call: Call) -> ApiReply:
    """POST /people:erase."""
    done = await call.context.persons.erase(call.body, **call.by)
    return ApiReply(as_model(models.ErasedPerson, done), 200 if done.queries is not None else 202)
