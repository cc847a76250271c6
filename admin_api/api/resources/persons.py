"""Single persons: all that is kept of one, exported and erased."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.api.resources.audit import JSON_LINES
from admin_api.people.export import written

MOST_OCTETS: Final = 32 << 20
"""Octets of an export; beyond, its last line says that it was cut."""


async def export(call: Call) -> ApiReply:
    """POST /people:export."""
    made = await call.context.persons.export(call.body)
    content = bytearray()
    async with aclosing(made.lines()) as lines:
        async for line in lines:
            content += written(line)
            if len(content) > MOST_OCTETS:
                content += written({"kind": "end", "cut": [f"all behind {MOST_OCTETS >> 20} MiB", *made.cut]})
                break
    return ApiReply(bytes(content), content_type=JSON_LINES)


async def erase(call: Call) -> ApiReply:
    """POST /people:erase."""
    done = await call.context.persons.erase(call.body, **call.by)
    return ApiReply(as_model(models.ErasedPerson, done), 200 if done.queries is not None else 202)
