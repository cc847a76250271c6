"""Gaps of the query log: what its settings keep out of it."""

from __future__ import annotations

from collections.abc import Iterator

from resolver.config.settings import ControlSettings


def log_lacks(settings: ControlSettings, what: str) -> Iterator[str]:
    """Gaps of the query log, as it is kept."""
    if what == "off":
        yield "no query log is kept (query_log.enabled)"
    elif what == "hits":
        yield "the log has hits only (query_log.what): names that no rule matched are missing"
    if settings.clients != "full":
        yield f"the log has no client addresses (query_log.clients is {settings.clients})"
