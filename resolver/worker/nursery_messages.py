"""Messages between the supervisor and the nursery, the process that workers are forked from.

The file descriptors that a worker inherits go beside them, over a socket of their own (SCM_RIGHTS), before the request.
"""

from __future__ import annotations

import socket
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from resolver.errors import ChannelError
from resolver.system.channel import Asks, MessageSet

_FORK_SECONDS: Final = 30.0  # with the time that a new interpreter takes to load on a busy machine
_MOST_AT_ONCE: Final = 200  # descriptors in one message; the kernel takes 253 (unix(7), SCM_RIGHTS)


@dataclass(frozen=True, slots=True)
class WorkerForked:
    """The process id of a worker that begins."""

    pid: int


@dataclass(frozen=True, slots=True)
class ForkWorker(Asks[WorkerForked]):
    """Fork a worker on the channel `control`. All numbers are those that descriptors are to have in the worker."""

    control: int
    descriptors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RetireNursery:
    """Fork no more, and end when the last of its workers has ended."""


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker ended, with that exit status; negative for a signal."""

    pid: int
    status: int


NURSERY_CHANNEL: Final = MessageSet(
    "nursery", 1, RetireNursery, WorkerForked, WorkerEnded, patience_seconds={ForkWorker: _FORK_SECONDS}
)


def send_descriptors(passing: socket.socket, descriptors: Sequence[int]) -> None:
    """Send copies of descriptors. Raises OSError."""
    for begin in range(0, len(descriptors), _MOST_AT_ONCE):
        socket.send_fds(passing, [b"\0"], list(descriptors[begin : begin + _MOST_AT_ONCE]))


def receive_descriptors(passing: socket.socket, count: int) -> list[int]:
    """Receive so many copies, under whatever numbers are free. Raises ChannelError where others or fewer come."""
    received = array("i")
    room = socket.CMSG_LEN(_MOST_AT_ONCE * received.itemsize)
    while len(received) < count:
        # By ourselves: socket.recv_fds passes no flags on, and no other process may have them.
        _, beside, flags, _ = passing.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
        for level, kind, octets in beside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received.frombytes(octets[: len(octets) // received.itemsize * received.itemsize])
        if not beside or flags & socket.MSG_CTRUNC:
            raise ChannelError("descriptors are missing")
    return received.tolist()
