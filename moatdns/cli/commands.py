"""The commands of `moatdns`. Each is imported when it is called: most need little of all that there is."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from moatdns.cli.output import print_line
from resolver import __version__

_COMMANDS: Final = {  # with their modules, and their help, for the list of all
    "serve": ("serve", "Run everything in the foreground. SIGHUP reloads the config, SIGTERM drains and stops."),
    "check-config": (
        "at_hand",
        "Check a config file: exit 0 if it is valid, 1 with every error, its line and key.",
    ),
    "explain": (
        "at_hand",
        "Show the decision on a name for a client, and why, by the code that answers queries.",
    ),
    "backup": ("backup", "Save all that a node needs to be itself again in one file; works while the server runs."),
    "restore": ("backup", "Make a backup the state of this node, while no server runs."),
    "firewall": ("firewall", "Print firewall rules that close ports 53 and 853 to all but this resolver."),
    "schema": ("at_hand", "Print the JSON Schema of the config file; always JSON."),
    "login-link": ("login_link", "Print a link that signs in to the web pages once, within ten minutes."),
    "privacy": ("privacy", "Tell what this installation stores of people: where, how long, who sees it."),
    "healthcheck": (
        "health",
        "Ask the running resolver a question that it answers itself: exit 0 if it does, else 1.",
    ),
}
_GROUPS: Final = {  # with their modules, where each is NAME_app, and their help
    "token": ("store", "Tokens of the admin API."),
    "audit": ("audit", "The audit trail."),
    "store": ("whole_store", "The store."),
    "lists": ("lists", "Lists of rules: the contents of a file, and the policy's coverage."),
    "exemption": ("exception", "Exemptions: temporary permissions with an owner and a reason."),
    "lease": ("exception", "Leases: addresses assigned to identities for a while."),
    "people": ("people", "Single persons: all that is kept of one, exported or erased."),
    "pause": ("exception", "Pauses: a group, or every group, is only monitored for a while."),
    "change": ("change", "Changes that open something, and wait for another owner's approval."),
    "report": ("report", "Evidence of what was in force, signed, and its verification elsewhere."),
    "policy": ("policy", "The whole policy as one file, and its history."),
    "catalogue": ("catalogue", "The bundled catalogue: what a new version changes."),
    "unlisted": ("unlisted", "The inbox of domains that look like an AI service and match no rule."),
    "local": ("local", "Local names: what is answered here, before the policy."),
    "cache": ("cache", "The cache of answers."),
}

# The types of a context and a command are click's, or those of typer's own copy of it.


class _Group(TyperGroup):
    """A group of commands, imported when they are listed or one of them is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Give the names, in the order of the help."""
        return self._imported().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a command; None for a name of none."""
        return self._imported().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """Give the command that the arguments name, or end with what may have been meant."""
        return self._imported().resolve_command(ctx, args)

    def _imported(self) -> TyperGroup:
        module, _ = _GROUPS[str(self.name)]
        return get_group(getattr(_module(module), f"{self.name}_app"))


class _Commands(TyperGroup):
    """All commands, by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Give the names, in the order of the help."""
        return [*_COMMANDS, *_GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a command as the list of all shows it, which imports none; None for a name of none."""
        if cmd_name in _COMMANDS:
            return TyperCommand(cmd_name, help=_COMMANDS[cmd_name][1])
        if cmd_name in _GROUPS:
            return _Group(name=cmd_name, help=_GROUPS[cmd_name][1], no_args_is_help=True)
        return None

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """Import the command that the arguments name, or end with what may have been meant."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in _COMMANDS:
            command = get_group(_module(_COMMANDS[name][0]).app).get_command(ctx, name)
        return name, command, rest


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
