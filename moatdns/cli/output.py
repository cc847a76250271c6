"""Output of the commands: lines and JSON on stdout, problems on stderr, with nothing in them that a terminal obeys."""

from __future__ import annotations

import io
import json
import sys
from typing import Any, TextIO

from resolver.system.safe_text import visible, visible_json, visible_lines

_LINE = 78  # columns of a progress line


def print_line(text: str) -> None:
    """One line on stdout. Its text is not trusted: control characters are escaped."""
    _write(sys.stdout, visible(text))


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """A value as valid JSON on stdout, without control characters for the terminal."""
    _write(sys.stdout, visible_json(json.dumps(value, indent=indent)))


def print_lines(text: str) -> None:
    """A document of several lines on stdout, in the form that a file would have."""
    _write(sys.stdout, visible_lines(text))


def print_problems(*problems: str) -> None:
    """One line per problem on stderr."""
    for problem in problems:
        _write(sys.stderr, visible(problem))


class ProgressLine:
    """A line on stderr that says what is being done, where that is a terminal; it is gone at the end."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()

    def tell(self, what: str) -> None:
        """Say that, instead of what was said last. Its text is not trusted."""
        if self._is_shown:
            self._show(sys.stderr, f"\r{visible(what)[:_LINE]:<{_LINE}}")

    def end(self) -> None:
        """Say nothing any more."""
        if self._is_shown:
            self._show(sys.stderr, f"\r{'':<{_LINE}}\r")

    @staticmethod
    def _show(stream: TextIO, text: str) -> None:
        stream.write(text)
        stream.flush()


def _write(stream: TextIO, text: str) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # names and texts have letters that a terminal may lack
    stream.write(text + "\n")
