"""TLS context of connections to upstreams, with the sessions that it resumes."""

from __future__ import annotations

import ssl
import time

_RESUMED_SECONDS = 3600.0  # then a server must show its certificate again


class ClientContext(ssl.SSLContext):
    """TLS context of connections as a client. It remembers a session for each name, so that the next one costs less.

    Event loops have no place for a session to be handed over, but all of them call `wrap_bio`.
    """

    _sessions: dict[str, tuple[ssl.SSLSession, float]]

    def wrap_bio(  # type: ignore[override]  # a session is ours to give
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> ssl.SSLObject:
        """As SSLContext.wrap_bio, with the session that is remembered."""
        session, until = self._sessions.get(server_hostname or "", (None, 0.0))
        return super().wrap_bio(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
            session=session if time.monotonic() < until else None,
        )

    def remember(self, name: str, channel: ssl.SSLObject) -> None:
        """Keep the session of an open connection for the next one."""
        session = channel.session
        if session is None:
            return
        known = self._sessions.get(name)
        until = known[1] if known and channel.session_reused else time.monotonic() + _RESUMED_SECONDS
        self._sessions[name] = session, until
