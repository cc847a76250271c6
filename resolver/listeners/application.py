"""Base of what is spoken on a connection (resolver.listeners.connection)."""

from __future__ import annotations

from typing import Protocol


class Application(Protocol):
    """Base of what is spoken on a connection: DNS, HTTP/1.1 or HTTP/2."""

    # By the loop's clock: when the client last let us go on sending what it asked for. None where nothing is kept here:
    # what it does not take is in the network's buffers then.
    stalled_since: float | None = None
    is_finishing: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""

    def received(self, data: bytes) -> None:
        """The client says something."""

    def ended(self) -> None:
        """The client says no more, but may still listen."""

    def drain(self) -> None:
        """Tell the client, if it can be told, that we are about to close: with the next answer, or the last awaited."""
        self.is_finishing = True

    def finish(self) -> None:
        """Begin nothing new, and close as soon as nothing is awaited."""

    def lost(self) -> None:
        """The connection is gone."""
