"""The log: to stderr, readable on a terminal, else one JSON object a line."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import structlog


class Log(Protocol):
    """What is used of a structlog logger. `event` is a short sentence, all else is named."""

    def info(self, event: str, **facts: Any) -> Any:
        """As it should be."""

    def warning(self, event: str, **facts: Any) -> Any:
        """Goes on, but somebody should look."""

    def error(self, event: str, **facts: Any) -> Any:
        """Something asked for did not happen."""


def make_log() -> Log:
    """The log of this process."""
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    return log
