"""The command `moatdns`. Each of its commands is imported when it is called: most need little of all that there is.

Exit codes: 0 done, 1 the answer is no or it failed, 2 wrong usage.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from moatdns.cli.common import print_line
from resolver import __version__

_COMMANDS: Final = {  # and the modules that they are in
    "serve": "serve",
    **dict.fromkeys(("check-config", "explain", "schema", "healthcheck"), "at_hand"),
}
_GROUPS: Final = {
    **{name: ("stored", f"{name}_app") for name in ("token", "audit", "store")},
    "lists": ("lists", "lists_app"),
    **{name: ("exception", f"{name}_app") for name in ("exemption", "lease", "pause")},
    **{name: (name, f"{name}_app") for name in ("change", "policy", "catalogue", "cache")},
}


class _Commands(TyperGroup):
    """All commands, by name. The types of a context and a command are click's, or those of typer's own copy of it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Give the names, in the order of the help."""
        return [*_COMMANDS, *_GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None for a name of none."""
        if cmd_name in _COMMANDS:
            return get_group(_module(_COMMANDS[cmd_name]).app).get_command(ctx, cmd_name)
        if cmd_name not in _GROUPS:
            return None
        module, attribute = _GROUPS[cmd_name]
        group = get_group(getattr(_module(module), attribute))
        group.name = cmd_name
        return group


app = typer.Typer(
    name="moatdns",
    cls=_Commands,
    help="A DNS resolver that enforces a company's AI-access policy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print_line(f"moatdns {__version__}")
        raise typer.Exit


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"moatdns.cli.{name}")


def main() -> None:
    """The `moatdns` script."""
    app()
