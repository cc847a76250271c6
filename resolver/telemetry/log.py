"""The log: to stderr, readable on a terminal, else one JSON object a line."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

from resolver.system.safe_text import visible_fields


class Log(Protocol):
    """Logger, as far as structlog's is used. `event` is a short sentence, all else is named."""

    def info(self, event: str, **facts: Any) -> Any:
        """As it should be."""

    def warning(self, event: str, **facts: Any) -> Any:
        """Goes on, but somebody should look."""

    def error(self, event: str, **facts: Any) -> Any:
        """Something asked for did not happen."""


class _Stderr(io.BufferedIOBase):
    """Standard error. Lines that it does not take, as on a full disk, are lost: nobody stops serving for one."""

    name = "<stderr>"

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, line: Any) -> int:
        """A line as one piece: several processes write to it."""
        with contextlib.suppress(OSError):
            os.write(2, line)
        return len(line)


def _written_out(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Nothing that a line tells of acts on the terminal or the file that it goes to."""
    return visible_fields(fields)


def make_log() -> Log:
    """The log of this process."""
    import structlog  # noqa: PLC0415 (slow to import, and most commands log nothing)

    terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    file = io.TextIOWrapper(_Stderr(), encoding="utf-8", errors="backslashreplace", write_through=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            _written_out,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    return log
