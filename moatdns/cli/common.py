"""Parts that all commands share: options, durations, and how they fail."""

from __future__ import annotations

import re
import sys
from typing import Annotated, NoReturn

import typer

from moatdns.cli.output import print_problems

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Default: $MOATDNS_CONFIG, ./moatdns.yaml, /etc/moatdns/moatdns.yaml, built-in defaults.",
    ),
]
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw]?)\Z")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def seconds_of(text: str, option: str = "--for") -> int:
    """The seconds of a duration; an invalid one exits with status 2."""
    match = _DURATION.match(text.strip())
    if match is None:
        fail(f"{option}: {text!r} is not a duration: write '90s', '30m', '8h' or '14d'", code=2)
    return int(match[1]) * _SECONDS[match[2]]


def span_of(seconds: int) -> str:
    """Seconds in readable units: '8 h', '1 d 12 h', '90 s'."""
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def ask_first(yes: bool, question: str, otherwise: str) -> None:
    """Go on only if somebody wants to; `otherwise` is said where not. `yes`: somebody has said so."""
    if yes:
        return
    if not sys.stdin.isatty():
        fail("there is no terminal to ask on: use --yes", code=2)
    if not typer.confirm(question, err=True):  # stdout may be JSON
        fail(otherwise)


def fail(*problems: str, code: int = 1) -> NoReturn:
    """Print one line per problem on stderr, and exit with that status."""
    print_problems(*problems)
    raise typer.Exit(code)
