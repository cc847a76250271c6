"""Work that is done in a process of its own: one request, and its answer; both ends of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar, cast

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


async def in_child_apart(
    module: str, messages: MessageSet, request: Asks[_Answer], error: type[MoatdnsError], name: str
) -> _Answer:
    """As `in_child`, on a loop of a thread's own.

    Ours is kept waiting neither by the fork, which for a large process takes tens of milliseconds (uvloop copies its
    page tables, asyncio's own loop does not), nor by the reading of a long answer.
    """
    apart = asyncio.new_event_loop()
    asking = apart.create_task(in_child(module, messages, request, error, name))
    work = asyncio.ensure_future(asyncio.to_thread(_run_to_end, apart, asking))
    try:
        return cast(_Answer, await asyncio.shield(work))
    except asyncio.CancelledError:
        with contextlib.suppress(RuntimeError):  # it is over just now
            apart.call_soon_threadsafe(asking.cancel)
        await asyncio.wait([work])  # the child is killed, so that it never outlasts the turn that it has
        raise


def _run_to_end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[_Answer]) -> _Answer | None:
    """Result of a task of another loop; None where it was cancelled, which nobody waits for."""
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        return None
    finally:
        loop.close()


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
