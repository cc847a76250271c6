"""Child processes: how one is started, spoken to and ended, and what it does first in its own process.

Each is run as ``python -P -m MODULE FD``, with one end of a socket pair as its file descriptor FD: its channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from resolver.errors import ChannelClosed, ChannelError, MoatdnsError
from resolver.system.channel import MOST_LINE_BYTES, Asks, MessageChannel, MessageSet, Received
from resolver.system.scheduling import give_way

_LAST_SECONDS = 5.0  # between the end of a channel and that of its process

# By default each thread takes a heap of its own, which keeps what it once took; under the interpreter's lock it buys
# nothing. The environment may say otherwise.
_ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}

_Answer = TypeVar("_Answer")


class RunningProcess(Protocol):
    """A process that was started, as far as a child is looked after. asyncio's is one."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""

    async def wait(self) -> int:
        """Wait for its end; return its exit status."""

    def kill(self) -> None:
        """End it at once. May raise ProcessLookupError where it has ended."""


class ChildProcess:
    """A running child with its channel."""

    def __init__(self, process: RunningProcess, channel: MessageChannel, name: str) -> None:
        self.channel = channel
        self._process = process
        self._name = name

    @classmethod
    async def start(
        cls,
        module: str,
        messages: MessageSet,
        name: str,
        *,
        descriptors: Iterable[int] = (),
        most_line_bytes: int = MOST_LINE_BYTES,
    ) -> ChildProcess:
        """Run a module as a child that inherits `descriptors`; `name` is the child in errors. Raises MoatdnsError."""
        ours, theirs = socket.socketpair()
        try:
            with contextlib.ExitStack() as unless_started:
                unless_started.callback(ours.close)
                with theirs:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        "-P",  # never code of the folder that we happen to be started in
                        "-m",
                        module,
                        str(theirs.fileno()),
                        pass_fds=[theirs.fileno(), *descriptors],
                        stdin=asyncio.subprocess.DEVNULL,
                        env=_ONE_HEAP | os.environ,
                    )
                try:
                    channel = await MessageChannel.on(ours, messages, name, most_line_bytes=most_line_bytes)
                except BaseException:
                    process.kill()
                    await process.wait()  # else nobody does, and the loop's end finds it dead
                    raise
                unless_started.pop_all()
        except OSError as error:  # no process, no file descriptor left
            raise MoatdnsError(f"{name} cannot be started: {error.strerror or error}") from error
        return cls(process, channel, name)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    async def hear(self, take: Callable[[Received], None], unreadable: Callable[[ChannelError], None]) -> int:
        """Hand all but answers to `take` until the child ends, and close the channel; return its exit status.

        A child that says what cannot be read is killed, and `unreadable` is told.
        """
        try:
            async for received in self.channel.heard():
                take(received)
        except ChannelError as error:
            unreadable(error)
            self.kill()
        status = await self._process.wait()
        self.channel.close()
        return status

    async def ask(self, request: Asks[_Answer]) -> _Answer:
        """Ask a child that does nothing but answer. Raises ChannelError, with its exit status where it ended."""
        hearing = asyncio.ensure_future(self._hear_answers())
        try:
            return await self.channel.ask(request)
        except ChannelClosed:
            await self.end_within(_LAST_SECONDS)
            raise ChannelClosed(f"{self._name} ended with status {self.status} and no message") from None
        finally:
            hearing.cancel()

    async def _hear_answers(self) -> None:
        why = None
        try:
            await self.channel.receive()
        except ChannelError as error:
            why = error
        self.channel.close(why)

    async def end(self) -> None:
        """End it, whatever it does."""
        self.kill()
        await self._process.wait()
        self.channel.close()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end_within(self, seconds: float) -> bool:
        """Wait for the end of a child that was told to stop, and kill it if it takes longer: False."""
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
            return False
        return True


StartChild = Callable[..., Awaitable[ChildProcess]]
"""As `ChildProcess.start`."""


def ignore_signals(*, terminates: bool = False) -> None:
    """In a child: leave signals to the supervisor. A terminal sends them to all. `terminates`: but SIGTERM ends it."""
    ignored = [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
    for number in ignored if terminates else (*ignored, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def work_for_parent(messages: MessageSet, take: Callable[[object], object], *, terminates: bool = True) -> None:
    """The whole life of a child that only works: answer each request with what `take` gives, until there are no more.

    Signals as `ignore_signals` has them.
    """
    ignore_signals(terminates=terminates)
    give_way()
    gc.disable()  # a million rules make no cycles, and the process ends soon
    with (
        socket.socket(fileno=int(sys.argv[1])) as ours,
        ours.makefile("rb") as requests,
        ours.makefile("wb") as answers,
    ):
        for line in requests:
            request = messages.read(line)
            answers.write(messages.write(take(request.message), answers=request.request))
            answers.flush()
