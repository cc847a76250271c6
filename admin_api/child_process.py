"""Work that is done in a process of its own: one request, and its answer."""

from __future__ import annotations

from typing import TypeVar

from resolver.errors import ChannelError, MoatdnsError
from resolver.system.channel import Asks, MessageSet
from resolver.system.child_process import ChildProcess

_MOST_LINE_BYTES = 1 << 30  # plans of millions of rules

_Answer = TypeVar("_Answer")


async def in_child(
    module: str, messages: MessageSet, request: Asks[_Answer], error: type[MoatdnsError], name: str
) -> _Answer:
    """Run ``python -m MODULE`` and return its answer. Raises `error`; `name` names the child there."""
    try:
        child = await ChildProcess.start(module, messages, name, most_line_bytes=_MOST_LINE_BYTES)
    except MoatdnsError as why:
        raise error(str(why)) from why
    try:
        return await child.ask(request)
    except ChannelError as why:
        raise error(str(why)) from why
    finally:
        await child.end()
