"""What a connection and the protocol that is spoken on it know of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from resolver.pipeline import Transport


class Session(Protocol):
    """A protocol's side of a connection. It does no I/O: octets come in by `received`, and go out by `Link.write`."""

    @property
    def waiting_bytes(self) -> int:
        """Octets of answers that the client has not made room for (flow control)."""

    def received(self, data: bytes) -> None:
        """Take octets from the client. Raises nothing, whatever they are."""

    def ended(self) -> None:
        """The client sends no more; it may still read."""

    def landed(self) -> None:
        """One answer more, of those that were waited for, has been given."""

    def finish(self) -> None:
        """Take up nothing new if the client can be told so, and close the link once all is answered."""

    def overdue(self, now: float) -> None:
        """End what began to come in `limits.tcp_query_seconds` ago, and is not complete."""


class Link(Protocol):
    """A connection's side: what a session may do to it."""

    in_flight: int  # queries that wait for an answer
    partial_since: float | None  # monotonic seconds: when a query began to come in that is not complete
    is_finishing: bool  # it closes when all is answered
    is_closing: bool  # nothing more is written

    def now(self) -> float:
        """Monotonic seconds."""

    def ask(
        self,
        query: bytes,
        transport: Transport,
        reply: Callable[[bytes], None],
        name: str = "",
        forwarded_for: tuple[bytes, ...] = (),
    ) -> bool:
        """Have a query answered, now or later. False: it is none, and gets no answer.

        `name` is what the client calls itself in this query; `forwarded_for` is X-Forwarded-For, believed of trusted
        proxies only.
        """

    def later(self, work: Callable[[], None]) -> None:
        """Go on after others had their turn."""

    def write(self, data: bytes) -> None:
        """Send octets."""

    def pause(self) -> None:
        """Read no more for now: the client's own TCP slows it down."""

    def resume(self) -> None:
        """Read on."""

    def close(self) -> None:
        """Send what was written, and end."""

    def drop(self, why: str) -> None:
        """End at once, and count why."""

    def count(self, why: str) -> None:
        """Count what was refused, by the name of the bound."""
