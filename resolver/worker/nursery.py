"""The nursery: a process that has imported all that a worker needs, and forks one at each request.

Run by the supervisor as ``python -m resolver.worker CHANNEL PASSING`` (resolver.worker.nursery_messages). A worker so
begins within milliseconds, and what was imported is in memory once for all of them. The nursery answers nobody, has one
thread and no event loop, and holds no socket of a worker longer than it takes to fork. It ends when its supervisor is
gone. Workers have channels of their own, and live on without it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from resolver.errors import ChannelError
from resolver.system.channel import Refusal
from resolver.system.child_process import ignore_signals
from resolver.worker.nursery_messages import (
    NURSERY_CHANNEL,
    ForkWorker,
    RetireNursery,
    WorkerEnded,
    WorkerForked,
    receive_descriptors,
)

NURSERY_NAME: Final = "moatdns-nursery"
WORKER_NAME: Final = "moatdns-worker"
"""Names of the processes in `ps -c` and `top`: their command lines are the same."""


class Nursery:
    """The parent of workers. Not a loop's: it forks."""

    def __init__(self, channel: socket.socket, passing: socket.socket) -> None:
        self._channel = channel
        self._passing = passing
        self._ended, self._end_seen = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)  # a word when a worker ends
        self._heard = b""
        self._workers: set[int] = set()  # by process id
        self._retires = False

    def run(self) -> int | None:
        """Fork until the supervisor is gone: None. In each worker, return the number of its channel.

        Raises ChannelError for what cannot be read.
        """
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._end_seen, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        poll.register(self._channel, select.POLLIN)
        with contextlib.suppress(ConnectionError):
            while not self._retires or self._workers:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if self._ended in ready:
                    os.read(self._ended, 4096)
                    self._reap()
                if self._channel.fileno() in ready:
                    piece = self._channel.recv(65536)
                    if not piece:
                        break
                    *lines, self._heard = (self._heard + piece).split(b"\n")
                    for line in lines:
                        control = self._obey(line)
                        if control is not None:
                            return control
        return None

    def _obey(self, line: bytes) -> int | None:
        """Carry out one order; in a worker that was forked by it, return the number of its channel."""
        received = NURSERY_CHANNEL.read(line)
        match received.message:
            case ForkWorker(control, descriptors):
                numbers = (control, *descriptors)
                copies = receive_descriptors(self._passing, len(numbers))
                answer: object
                try:
                    pid = os.fork()
                except OSError as error:  # no process, no memory left
                    answer = Refusal(error.strerror or str(error))
                else:
                    if pid == 0:
                        self._become_worker(copies, numbers)
                        return control
                    self._workers.add(pid)
                    answer = WorkerForked(pid)
                _close(copies)
                self._channel.sendall(NURSERY_CHANNEL.write(answer, answers=received.request))
            case RetireNursery():
                self._retires = True
        return None

    def _become_worker(self, copies: Sequence[int], numbers: Sequence[int]) -> None:
        """In a worker: leave all that is the nursery's, and have the descriptors by their numbers."""
        signal.set_wakeup_fd(-1)
        for ignored in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_DFL)
        self._channel.close()
        self._passing.close()
        _close((self._ended, self._end_seen))
        name_process(WORKER_NAME)
        # Beyond all of them first: a copy may have a number that another is to have.
        beyond = max((*copies, *numbers)) + 1
        parked = [fcntl.fcntl(copy, fcntl.F_DUPFD_CLOEXEC, beyond) for copy in copies]
        _close(copies)
        for place, number in zip(parked, numbers, strict=True):
            os.dup2(place, number, inheritable=False)
        _close(parked)

    def _reap(self) -> None:
        """Tell of workers that have ended."""
        for pid in tuple(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._workers.discard(pid)
                word = WorkerEnded(pid, os.waitstatus_to_exitcode(status))
                self._channel.sendall(NURSERY_CHANNEL.write(word))


def _close(descriptors: Sequence[int]) -> None:
    """Close descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)


def name_process(name: str) -> None:
    """Give this process a name for people; without one it works as well."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="ascii")


def forked_worker(channel: int, passing: int) -> int | None:
    """Be the nursery. None in the end; in each worker, return the number of its channel."""
    ignore_signals()
    name_process(NURSERY_NAME)
    gc.collect()
    gc.freeze()  # a collection in a worker would write to all of it, and so make copies
    with socket.socket(fileno=channel) as orders, socket.socket(fileno=passing) as passed:
        nursery = Nursery(orders, passed)
        try:
            return nursery.run()
        except ChannelError as error:
            raise SystemExit(f"the nursery cannot read its orders: {error}") from None
