"""The command `moatdns`. Exit codes: 0 done, 1 the answer is no or it failed, 2 wrong usage."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main() -> None:
    """The `moatdns` script."""
    options = _plain_serve(sys.argv[1:])
    if options is not None:
        sys.exit(_serve(*options))
    from moatdns.cli.commands import app  # noqa: PLC0415 (a server needs none of typer)

    app()


def _serve(config: str | None) -> int:
    """Serve; return the exit status. What workers are forked from loads while the supervisor does."""
    from moatdns.supervisor.spawning import spawned_early  # noqa: PLC0415 (other commands need none of it)

    early = spawned_early()
    try:
        from moatdns.cli.serving import serve_until_stopped  # noqa: PLC0415

        return serve_until_stopped(config, early)
    finally:
        if early is not None:
            early.end()


def _plain_serve(arguments: Sequence[str]) -> tuple[str | None] | None:
    """The config file of ``serve [--config FILE]``; None for all else, which is typer's to understand.

    A server's start and memory do without typer: it is a third of what the supervisor would import.
    """
    match arguments:
        case ["serve"]:
            return (None,)
        case ["serve", "--config", path] if path and not path.startswith("-"):
            return (path,)
        case ["serve", option] if option.startswith("--config=") and option != "--config=":
            return (option.removeprefix("--config="),)
    return None
