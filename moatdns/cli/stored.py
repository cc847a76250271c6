"""Commands on what is in the store: tokens, the audit trail, the store itself."""

from __future__ import annotations

import getpass
import importlib
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from moatdns.cli.common import ConfigOption, JsonOption
from moatdns.cli.reading import load

token_app = typer.Typer(help="Tokens of the admin API.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit trail.", no_args_is_help=True)
store_app = typer.Typer(help="The store.", no_args_is_help=True)


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Option(help="The token's name.")],
    role: Annotated[str, typer.Option(help="viewer, operator, lease or admin.")],
    owner: Annotated[str, typer.Option(help="The person responsible; default: the current user.")] = "",
    expires: Annotated[str | None, typer.Option(help="'90d', '12h' or a time; default: never.")] = None,
    network: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="Role lease: only addresses in it. Repeatable.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Role lease: only into this group. Repeatable.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a token and print it; it is shown only once. The audit trail records it, and the user."""
    _, loaded = load(config)
    _store_commands().create_token(
        loaded,
        name=name,
        role=role,
        owner=owner or getpass.getuser(),
        networks=network or None,
        groups=group or None,
        expires=expires,
        as_json=as_json,
    )


@token_app.command("list")
def token_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show all tokens, without their secrets."""
    _, loaded = load(config)
    _store_commands().list_tokens(loaded, as_json=as_json)


@token_app.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a token at once."""
    _, loaded = load(config)
    _store_commands().revoke_token(loaded, name, as_json=as_json)


@audit_app.command("verify")
def audit_verify(
    config: ConfigOption = None,
    log_file: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="A log file of the server, for the heads in it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no row of the audit trail was changed, removed or cut off: exit 0 if intact, else 1."""
    _, loaded = load(config)
    _store_commands().verify_audit(loaded, log_file, as_json=as_json)


@audit_app.command("acknowledge")
def audit_acknowledge(
    reason: Annotated[str, typer.Option(help="Why rows are lost, such as 'restored from the backup of Monday'.")],
    config: ConfigOption = None,
    log_file: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="A log file of the server, for the heads in it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Acknowledge a known loss of audit rows; a row of the trail names the lost ones."""
    _, loaded = load(config)
    _store_commands().acknowledge_loss(loaded, reason, log_file, as_json=as_json)


@store_app.command("begin-anew")
def store_begin_anew(
    reason: Annotated[str, typer.Option(help="Why the store was lost; recorded in the new audit trail.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """After the store was lost: begin with the existing or a new one. A running server uses it."""
    _, loaded = load(config)
    _store_commands().begin_store_anew(loaded, reason, as_json=as_json)


@audit_app.command("export")
def audit_export(
    config: ConfigOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="ID|TIME", help="Only rows after this id, or from this time on.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: stdout.")] = None,
) -> None:
    """Print the audit trail as JSON lines, oldest first."""
    _, loaded = load(config)
    _store_commands().export_audit(loaded, since, out)


def _store_commands() -> ModuleType:
    """The commands that need the store; loaded for them alone, since it takes others a quarter of a second."""
    return importlib.import_module("moatdns.cli.store")
