"""Time limits of one connection: its beginning, its silence, its life, and what it does not take. No I/O, no clock."""

from __future__ import annotations

from typing import Final

from resolver.config.settings import Limits

# The limits, by the names that they are set and counted under.
BEGINNING: Final = "tls_handshake_seconds"  # until it is known what is spoken
UNSENT: Final = "tcp_write_seconds"  # for the client to take what is for it
IDLE: Final = "tcp_idle_seconds"  # in which the client must ask or get something
LIFETIME: Final = "tcp_lifetime_seconds"
_SOONEST_SECONDS: Final = 0.01  # until the next look

Look = tuple[str, float]
"""The limit that is over, "" where none is, and when to look again."""


class ConnectionTimes:
    """Times of one connection, all by the loop's clock.

    * `active_at`: when the client last asked something whole, or got it;
    * `sent`: octets for the network so far.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._began = self.active_at = now
        self.sent = 0
        self._mark = 0  # how many of them the client must have taken by `_mark_at` + tcp_write_seconds
        self._mark_at = now

    def look_at_beginning(self, now: float) -> Look:
        """Look while it is not known yet what is spoken."""
        ends_at = self._began + self._limits.tls_handshake_seconds
        return BEGINNING if ends_at <= now else "", ends_at

    def look(self, now: float, unsent: int, stalled_since: float | None, *, is_busy: bool, is_finishing: bool) -> Look:
        """Look at a connection on which something is spoken.

        `unsent` octets are still here; since `stalled_since` something cannot even be sent. `is_busy`: its client waits
        for an answer; `is_finishing`: it is about to be closed.
        """
        limits = self._limits
        if self._reads_too_slowly(now, unsent, stalled_since):
            return UNSENT, now
        if is_busy:
            self.active_at = now
        elif now >= self.active_at + limits.tcp_idle_seconds:
            return IDLE, now + limits.tcp_write_seconds  # for it to take what is on its way
        is_old = now >= self._began + limits.tcp_lifetime_seconds and not is_finishing
        look_at = self.active_at + limits.tcp_idle_seconds
        if unsent or stalled_since is not None:
            look_at = min(look_at, now + limits.tcp_write_seconds)
        if not (is_old or is_finishing):
            look_at = min(look_at, self._began + limits.tcp_lifetime_seconds)
        return LIFETIME if is_old else "", max(look_at, now + _SOONEST_SECONDS)

    def _reads_too_slowly(self, now: float, unsent: int, stalled_since: float | None) -> bool:
        seconds = self._limits.tcp_write_seconds
        if stalled_since is not None and now >= stalled_since + seconds:
            return True
        if self.sent - unsent >= self._mark:
            self._mark, self._mark_at = self.sent, now
            return False
        return now >= self._mark_at + seconds
