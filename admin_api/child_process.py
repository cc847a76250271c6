"""Work that is done in a process of its own: one request, and its answer; both ends of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from resolver.errors import ChannelError, MoatdnsError
from resolver.system.channel import Asks, MessageSet, Refusal
from resolver.system.child_process import ChildProcess, work_for_parent

_MOST_LINE_BYTES = 1 << 30  # plans of millions of rules

_Answer = TypeVar("_Answer")
_Request = TypeVar("_Request")


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


def do_for_parent(messages: MessageSet, kinds: tuple[type[_Request], ...], do: Callable[[_Request], object]) -> None:
    """The whole life of such a child: do what it is asked for. What cannot be done is refused, with why."""

    def take(request: object) -> object:
        if not isinstance(request, kinds):
            return Refusal(f"{type(request).__name__} is no order for this child")
        try:
            return do(request)
        except (MoatdnsError, OSError) as error:
            return Refusal(str(error))

    work_for_parent(messages, take)
