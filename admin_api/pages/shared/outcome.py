"""Results of operations, as pages need them: the message to show, and the version that a form is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from admin_api.api.http.call import IN_FORCE_HEADER, ApiReply
from admin_api.pages.shared.visit import Visit


def is_in_force(reply: ApiReply) -> bool:
    """Whether every worker has it by now."""
    return reply.status != 202 and reply.headers.get(IN_FORCE_HEADER) != "false"


def told(reply: ApiReply, done: str) -> str:
    """The sentence, and whether it is in force by now: large writes, and those that some worker lacks, are not yet."""
    if reply.status == 202:
        return f"{done} It is stored, and comes in force soon."
    return done if is_in_force(reply) else f"{done} It is stored, but not in force in every worker yet."


async def with_version(visit: Visit, operation: str, path: Mapping[str, str]) -> tuple[Any, str]:
    """The model that an operation replies with, and its ETag; "" for what has none."""
    reply = await visit.call(operation, path=path)
    return reply.body, reply.headers.get("ETag", "")
