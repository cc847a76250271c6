"""A steady load from one thread, with a record of each query: when it was asked, when answered, and what was seen.

dnsperf tells how many were lost; this tells which, and so why.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator

from prove.background import Background

LOST_SECONDS = 2.0  # without an answer for so long, a query is lost
SOCKETS = 32  # as many source ports, so that every worker has its share
_MOST_AT_ONCE = 64  # sent before answers are looked at again
_TICK_SECONDS = 0.001

Look = Callable[[bytes], object]


class Asked:
    """One query. Times are monotonic seconds."""

    __slots__ = ("answered_at", "name", "seen", "sent_at", "socket")

    def __init__(self, name: str, number: int, sent_at: float) -> None:
        self.name = name
        self.socket = number
        self.sent_at = sent_at
        self.answered_at: float | None = None
        self.seen: object = None  # what `look` made of the answer

    @property
    def seconds(self) -> float | None:
        """How long the answer took."""
        return None if self.answered_at is None else self.answered_at - self.sent_at

    @property
    def lost(self) -> bool:
        """No answer, or too late."""
        return self.answered_at is None or self.answered_at - self.sent_at > LOST_SECONDS


class Steady(Background):
    """Asks `queries` (a name and the wire of each) over UDP while the context lasts; then `asked` tells of each.

    `most` is how many it asks, whatever the time; `source` is the client's address.
    When the context ends, it waits `wait_seconds` for answers that are still to come.
    """

    def __init__(
        self,
        port: int,
        queries: Iterator[tuple[str, bytes]],
        per_second: float,
        *,
        look: Look | None = None,
        most: int | None = None,
        wait_seconds: float = LOST_SECONDS,
        sockets: int = SOCKETS,
        source: str = "127.0.0.1",
    ) -> None:
        super().__init__("steady load", self._run)
        self.asked: list[Asked] = []
        self._queries = queries
        self._per_second = per_second
        self._look = look
        self._most = most
        self._wait_seconds = wait_seconds
        self._sockets = [
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(sockets)
        ]
        for one in self._sockets:
            one.bind((source, 0))
            one.connect(("127.0.0.1", port))
        self._numbers = {one.fileno(): number for number, one in enumerate(self._sockets)}
        self._open: dict[tuple[int, bytes], Asked] = {}

    def _ended(self) -> None:
        for one in self._sockets:
            one.close()

    def stop_sending(self) -> float:
        """Send no more; gives the moment. Answers are still taken until the context ends."""
        self._per_second = 0.0
        return time.monotonic()

    def wait_until_sent(self) -> None:
        """Wait until `most` queries were sent."""
        while self._most is not None and len(self.asked) < self._most and self._threads[0].is_alive():
            time.sleep(0.01)

    @property
    def lost(self) -> list[Asked]:
        """The queries without an answer in time."""
        return [asked for asked in self.asked if asked.lost]

    def percentile_ms(self, share: float, *, only: Callable[[Asked], bool] = lambda _: True) -> float:
        """The time within which a share of the queries was answered, in milliseconds."""
        return percentile_ms(filter(only, self.asked), share)

    def _run(self) -> None:
        try:
            with select.epoll() as poll:
                for one in self._sockets:
                    poll.register(one.fileno(), select.EPOLLIN)
                self._ask(poll)
                deadline = time.monotonic() + self._wait_seconds
                while self._open and time.monotonic() < deadline:
                    self._take(poll)
        except BaseException as error:  # told to the thread that ends the context
            self._failure = error

    def _ask(self, poll: select.epoll) -> None:
        began = time.monotonic()
        while not self._over.is_set():
            due = int((time.monotonic() - began) * self._per_second)
            due = (due if self._most is None else min(due, self._most)) - len(self.asked)
            for _ in range(min(due, _MOST_AT_ONCE)):
                self._send()
            self._take(poll)

    def _send(self) -> None:
        count = len(self.asked)
        number = count % len(self._sockets)
        message_id = (count // len(self._sockets) & 0xFFFF).to_bytes(2, "big")
        name, wire = next(self._queries)
        asked = Asked(name, number, time.monotonic())
        self.asked.append(asked)
        self._open[number, message_id] = asked
        try:
            self._sockets[number].send(message_id + wire[2:])
        except ConnectionRefusedError:  # of an earlier query; this one has not gone out
            self._sockets[number].send(message_id + wire[2:])

    def _take(self, poll: select.epoll) -> None:
        for fileno, _ in poll.poll(_TICK_SECONDS):
            number = self._numbers[fileno]
            while True:
                try:
                    answer = self._sockets[number].recv(4096)
                except BlockingIOError:
                    break
                except ConnectionRefusedError:
                    continue
                asked = self._open.pop((number, answer[:2]), None)
                if asked is not None:
                    asked.answered_at = time.monotonic()
                    if self._look is not None:
                        asked.seen = self._look(answer)


def percentile_ms(asked: Iterable[Asked], share: float) -> float:
    """The time within which a share of the queries was answered, in milliseconds; without an answer, it is endless."""
    times = sorted(math.inf if each.seconds is None else each.seconds for each in asked)
    return times[min(len(times) - 1, int(len(times) * share))] * 1000


def back_seconds(asked: Iterable[Asked], since: float) -> float:
    """How long after `since` the last of the ports had its first answer to a query sent after `since`.

    Each port belongs to one worker: when all have an answer, all workers serve.
    """
    first: dict[int, float] = {}
    for each in asked:
        if each.sent_at > since:
            answered_at = math.inf if each.answered_at is None else each.answered_at
            first[each.socket] = min(first.get(each.socket, math.inf), answered_at)
    return max(first.values()) - since
