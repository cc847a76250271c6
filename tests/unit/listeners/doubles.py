"""A connection as sessions see it: what they write is kept, and what they ask is answered when a test says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from resolver.pipeline import Transport

ANSWER = bytes.fromhex("00008180000100010000000003777777076578616d706c6503636f6d0000010001")
ANSWER += bytes.fromhex("c00c000100010000012c0004c0000201")  # www.example.com A 192.0.2.1, for 300 seconds
QUERY = bytes.fromhex("00000100000100000000000003777777076578616d706c6503636f6d0000010001")


class FakeLink:
    """A link whose queries are answered at once with ANSWER, or later, if `at_once` is false."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.in_flight = 0
        self.partial_since: float | None = None
        self.is_finishing = False
        self.is_closing = False
        self.is_paused = False
        self.at_once = at_once
        self.time = 100.0
        self.written = b""
        self.asked: list[tuple[bytes, str, tuple[bytes, ...]]] = []
        self.waiting: list[Callable[[bytes], None]] = []
        self.counted: Counter[str] = Counter()
        self.dropped: list[str] = []
        self.works: list[Callable[[], None]] = []

    def now(self) -> float:
        return self.time

    def ask(
        self,
        query: bytes,
        transport: Transport,
        reply: Callable[[bytes], None],
        name: str = "",
        forwarded_for: tuple[bytes, ...] = (),
    ) -> bool:
        self.asked.append((query, name, forwarded_for))
        if len(query) < 12 or query[2] & 0x80:
            return False
        if self.at_once:
            reply(ANSWER)
        else:
            self.in_flight += 1
            self.waiting.append(reply)
        return True

    def land(self, session: object) -> None:
        """Answer the oldest query that waits."""
        self.in_flight -= 1
        self.waiting.pop(0)(ANSWER)
        session.landed()  # type: ignore[attr-defined]

    def later(self, work: Callable[[], None]) -> None:
        self.works.append(work)

    def write(self, data: bytes) -> None:
        if not self.is_closing:
            self.written += data

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def close(self) -> None:
        self.is_closing = True

    def drop(self, why: str) -> None:
        self.dropped.append(why)
        self.is_closing = True

    def count(self, why: str) -> None:
        self.counted[why] += 1

    def taken(self) -> bytes:
        """What was written since this was asked last."""
        written, self.written = self.written, b""
        return written
