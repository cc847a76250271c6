"""The log: to stderr, readable on a terminal, else one JSON object a line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
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


class _JsonLog:
    """Lines of JSON. By ourselves, since structlog imports rich, a tenth of a second and megabytes in each process."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file

    def info(self, event: str, **facts: Any) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._write("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._write("error", event, facts)

    def _write(self, level: str, event: str, facts: Mapping[str, Any]) -> None:
        timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        fields = visible_fields({**facts, "event": event, "level": level, "timestamp": timestamp})
        self._file.write(json.dumps(fields, default=repr) + "\n")


def make_log() -> Log:
    """The log of this process."""
    file = io.TextIOWrapper(_Stderr(), encoding="utf-8", errors="backslashreplace", write_through=True)
    if not sys.stderr.isatty():
        return _JsonLog(file)
    import structlog  # noqa: PLC0415 (slow to import, and for terminals alone)

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            _written_out,
            structlog.dev.ConsoleRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    return log
