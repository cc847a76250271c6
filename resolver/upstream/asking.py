"""Base classes that the transports to upstreams share with those who ask.

Base classes rather than protocols where every query passes: compiled, a call is then a jump, and not a look-up by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from resolver.errors import UpstreamError
from resolver.upstream.deadlines import Waiting
from resolver.upstream.server import Server


class Asker(Waiting):
    """Owner of a question in flight. Each time it was sent, at most one of `heard` and `lost` is called, once."""

    question: bytes
    tail: bytes  # the query after its ID and before its options
    has_edns = True  # it is put without its OPT record, and without options, where not

    @abstractmethod
    def heard(self, link: Link, response: bytes) -> None:
        """`response` came from the server that was asked, with the right ID and question, or is a bare error."""

    @abstractmethod
    def lost(self, link: Link, error: UpstreamError) -> None:
        """No answer will come any more for the one sent over this link."""

    @abstractmethod
    def doubted(self, link: Link) -> None:
        """Somebody may be forging answers on this link. What was sent there is in flight as before."""


class Carrier(Protocol):
    """Carrier of a question in flight: a socket, or a place on a connection."""

    wrong_replies: int  # what came in and belonged to no question in flight

    def forget(self, message_id: bytes, asker: Asker) -> None:
        """The asker does not care any more; no harm if it is not in flight here."""


class Upstreams(Protocol):
    """Servers that questions are put to: a Forwarder, or a ZonedForwarder."""

    def ask(
        self,
        question: bytes,
        *,
        dnssec_ok: bool,
        checking_disabled: bool,
        done: Callable[[bytes | UpstreamError], None],
    ) -> None:
        """Ask; `done` is called once, with a checked answer or the error."""

    def close(self) -> None:
        """Give up all that is in flight."""


Place = tuple[Carrier, bytes]  # a question in flight: its carrier, and its ID there


class Link(ABC):
    """One way to one server."""

    server: Server
    is_stream = False  # answers cannot be truncated, nor forged by those who do not see the traffic
    is_on_trial = False  # silence may be that of a connection, not of the server: a fresh connection will tell

    @abstractmethod
    def send(self, asker: Asker, besides: Carrier | None = None) -> Place:
        """Ask, and not over the carrier `besides`. Raises UpstreamError when the question cannot even be sent."""

    @abstractmethod
    def close(self) -> None:
        """End everything; nobody who still waits is told."""
