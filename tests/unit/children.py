"""Children that are no processes: scripts at the other end of a real channel, and a clock that skips idle time."""

from __future__ import annotations

import asyncio
import itertools
import selectors
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from resolver.system.channel import MessageChannel, MessageSet
from resolver.system.child_process import ChildProcess

KILLED = -9
_STUCK_SECONDS = 20.0  # of real time, with nothing to wait for: the test would never end

T = TypeVar("T")


class _IdleSkipper(selectors.SelectSelector):
    """Where nothing is ready, the time that the loop would wait is over at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout is None:
            ready = super().select(_STUCK_SECONDS)
            assert ready, "nothing is left to happen, and something is still waited for"
            return ready
        self.passed += timeout
        return []


class _SkippingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipper = _IdleSkipper()
        self.channels: list[MessageChannel] = []
        super().__init__(self._skipper)

    def time(self) -> float:
        return self._skipper.passed


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a scenario on a loop whose clock begins at 0 and skips idle time; then close the channels that are open."""

    async def whole() -> T:
        try:
            return await scenario
        finally:
            for channel in _this_loop().channels:
                channel.close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=_SkippingLoop) as runner:
        return runner.run(whole())


def _this_loop() -> _SkippingLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _SkippingLoop)
    return loop


async def channel_on(connected: socket.socket, messages: MessageSet, peer: str, **more: Any) -> MessageChannel:
    """As MessageChannel.on; `run` closes it."""
    channel = await MessageChannel.on(connected, messages, peer, **more)
    _this_loop().channels.append(channel)
    return channel


def clock() -> float:
    """Seconds since `run` began."""
    return asyncio.get_running_loop().time()


async def until(true: Callable[[], object], seconds: float = 1000.0) -> None:
    """Wait until something holds, at most so long by the skipping clock."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 (what is waited for is no event)
            await asyncio.sleep(0.01)


class FakeProcess:
    """A stand-in for asyncio's process, as far as it is used. `end` is its exit."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.on_end: Callable[[], None] = lambda: None
        self._ended = asyncio.Event()

    async def wait(self) -> int | None:
        await self._ended.wait()
        return self.returncode

    def kill(self) -> None:
        self.end(KILLED)

    def end(self, status: int) -> None:
        if self.returncode is None:
            self.returncode = status
            self._ended.set()
            self.on_end()


@dataclass
class FakeChild:
    """One that was started: the process's end of the channel, and what came over it."""

    process: FakeProcess
    channel: MessageChannel
    theirs: socket.socket
    module: str = ""
    heard: list[object] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def of(self, kind: type[T]) -> list[T]:
        """The messages of a kind that it has heard."""
        return [message for message in self.heard if isinstance(message, kind)]


Script = Callable[[FakeChild], Awaitable[int | None]]


class FakeChildren:
    """Starts scripts instead of processes, the last of them again and again. A script that returns a status exits.

    `of_modules` has the scripts of modules that have their own.
    """

    def __init__(self, *scripts: Script, of_modules: dict[str, list[Script]] | None = None) -> None:
        self.started: list[FakeChild] = []
        self.modules: list[str] = []
        self._scripts = list(scripts)
        self._of_modules = of_modules or {}
        self._pids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> list[FakeChild]:
        return [child for child in self.started if child.is_alive]

    async def start(self, module: str, messages: MessageSet, name: str, **_: Any) -> ChildProcess:
        """As ChildProcess.start."""
        scripts = self._of_modules.get(module, self._scripts)
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        ours, theirs = socket.socketpair()
        channel = await channel_on(ours, messages, name)
        child = FakeChild(FakeProcess(next(self._pids)), await channel_on(theirs, messages, "parent"), theirs)
        task = asyncio.ensure_future(self._play(script, child))
        self._tasks.add(task)

        def gone() -> None:
            child.channel.close()
            task.cancel()

        child.process.on_end = gone
        self.modules.append(module)
        child.module = module
        self.started.append(child)
        return ChildProcess(child.process, channel, name)  # type: ignore[arg-type]

    async def _play(self, script: Script, child: FakeChild) -> None:
        status = await script(child)
        if status is not None:
            child.process.end(status)
