"""Results of operations as pages tell them."""

from __future__ import annotations

from admin_api.api.http.call import IN_FORCE_HEADER, ApiReply


def is_in_force(reply: ApiReply) -> bool:
    """Whether every worker has it by now."""
    return reply.status != 202 and reply.headers.get(IN_FORCE_HEADER) != "false"


def told_of_reply(reply: ApiReply, done: str) -> str:
    """The sentence, and whether it is in force by now: large writes, and those that some worker lacks, are not yet."""
    if reply.status == 202:
        return f"{done} It is stored, and will soon be in force."
    return done if is_in_force(reply) else f"{done} It is stored, but not in force in every worker yet."
