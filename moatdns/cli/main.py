"""The command line: all commands and their groups, and the commands that belong to none.

Exit codes: 0 done, 1 the answer is no or it failed, 2 wrong usage.
"""

from __future__ import annotations

import asyncio
import getpass
import importlib
import os
import secrets
import signal
import socket
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from blocklists.loading import load_catalogue
from blocklists.sources import known_references
from moatdns.cli.cache import cache_app
from moatdns.cli.catalogue import catalogue_app
from moatdns.cli.change import change_app
from moatdns.cli.common import ConfigOption, JsonOption, fail, load, policy_of, print_json, print_line, subjects_of
from moatdns.cli.config_check import look_at_files
from moatdns.cli.exception import exemption_app, lease_app, pause_app
from moatdns.cli.lists import lists_app
from moatdns.cli.policy import policy_app
from moatdns.supervisor.supervisor import Supervisor
from resolver import __version__
from resolver.answering.explaining import access_of, explain_query
from resolver.config.addresses import parse_endpoint
from resolver.config.json_schema import json_schema
from resolver.config.load import checked, find_config, read_document
from resolver.config.notes import config_notes
from resolver.config.to_settings import worker_settings
from resolver.errors import ConfigError, MoatdnsError, RuleError
from resolver.snapshot.clocks import now
from resolver.telemetry.log import make_log
from resolver.wire.codes import HEADER, Rcode
from resolver.wire.names import parse_any_name, parse_name

app = typer.Typer(
    name="moatdns",
    help="A DNS resolver that enforces a company's AI-access policy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

token_app = typer.Typer(help="Tokens of the admin API.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit trail.", no_args_is_help=True)
store_app = typer.Typer(help="The store.", no_args_is_help=True)
app.add_typer(token_app, name="token")
app.add_typer(audit_app, name="audit")
app.add_typer(store_app, name="store")
app.add_typer(lists_app, name="lists")
app.add_typer(exemption_app, name="exemption")
app.add_typer(lease_app, name="lease")
app.add_typer(pause_app, name="pause")
app.add_typer(change_app, name="change")
app.add_typer(policy_app, name="policy")
app.add_typer(catalogue_app, name="catalogue")
app.add_typer(cache_app, name="cache")


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    if version:
        print_line(f"moatdns {__version__}")
        raise typer.Exit


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run everything in the foreground. SIGHUP reloads the config, SIGTERM drains and ends."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is understood, it must not end us
    log = make_log()
    try:
        path = find_config(config, os.environ)
        log.info("moatdns starts", version=__version__, config=str(path or "built-in defaults"))
        asyncio.run(Supervisor(path, log).run())
    except ConfigError as error:
        fail(*error.problems)
    except MoatdnsError as error:
        fail(str(error))


@app.command("check-config")
def check_config(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check a config file: 0 when it is good, 1 with every mistake, its line and key."""
    try:
        path = find_config(config, os.environ)
        document = read_document(path)
        loaded = checked(path, document, known_references(load_catalogue()))
        notes = [*look_at_files(loaded, document), *config_notes(loaded)]
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "problems": error.problems}, indent=None)
            raise typer.Exit(1) from None
        fail(*error.problems)
    policy = loaded.policy
    if as_json:
        print_json({"ok": True, "config": str(path) if path else None, "notes": notes}, indent=None)
    else:
        rules = sum(len(entry.block) + len(entry.allow) for entry in policy.lists)
        what = f"{len(policy.groups)} groups, {len(policy.lists)} lists with {rules} rules"
        print_line(f"{path or 'built-in defaults'}: good ({what})")
        for note in notes:
            print_line(f"note: {note}")


@app.command("explain")
def explain_command(
    name: Annotated[str, typer.Argument(help="The domain name asked for.")],
    config: ConfigOption = None,
    client: Annotated[str, typer.Option(metavar="IP", help="The address that asks.")] = "127.0.0.1",
    client_name: Annotated[str, typer.Option(metavar="NAME", help="What the client calls itself by DoT or DoH.")] = "",
    qtype: Annotated[str, typer.Option("--type", metavar="TYPE", help="The record type asked for.")] = "A",
    as_json: JsonOption = False,
) -> None:
    """Tell what becomes of a name for a client, and why, by the code that answers queries."""
    path, loaded = load(config)
    policy, origin = policy_of(path, loaded)
    settings = worker_settings(loaded, workers=1, system_servers=[])
    try:
        explanation = explain_query(
            policy,
            access_of(settings),
            parse_any_name(name),
            client=client,
            qtype=qtype,
            subjects=subjects_of(loaded),
            now=now(),
            client_name=client_name,
        )
    except (RuleError, ValueError) as error:
        fail(str(error), code=2)
    if as_json:
        print_json({**explanation.to_plain(), "origin": origin})
        return
    print_line(f"{explanation.name} {explanation.type} for {explanation.client}: {explanation.verdict}")
    for step in explanation.trace:
        print_line(f"  {step.step:<11} {step.outcome:<23} {step.detail}")
    print_line(f"  {'policy':<11} {origin}")


@app.command()
def schema(as_json: JsonOption = True) -> None:
    """Print the JSON Schema of the config file; it is JSON in any case."""
    print_json(json_schema())


@app.command()
def healthcheck(
    config: ConfigOption = None,
    timeout_seconds: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the answer.")] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Ask the running resolver a question that it answers itself: 0 when it does, 1 when not."""
    _, loaded = load(config)
    host, port = parse_endpoint(loaded.listen.do53[0])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (the wildcard is what is replaced)
    trouble = _ask_ourselves(host, port, timeout_seconds)
    if as_json:
        print_json({"ok": trouble is None, "address": host, "port": port, "why": trouble}, indent=None)
    elif trouble is None:
        print_line(f"{host} port {port} answers")
    if trouble is not None:
        if as_json:
            raise typer.Exit(1)
        fail(f"{host} port {port}: {trouble}")


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Option(help="What the token is called.")],
    role: Annotated[str, typer.Option(help="viewer, operator, lease or admin.")],
    owner: Annotated[str, typer.Option(help="Who answers for it; left out: who runs this command.")] = "",
    expires: Annotated[str | None, typer.Option(help="'90d', '12h' or a moment; left out: never.")] = None,
    network: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="Role lease: only addresses in it. May be given again.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Role lease: only into it. May be given again.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, alone; it is shown this once. The audit trail has it, and who ran this."""
    _, loaded = load(config)
    bounds = {"networks": network or None, "groups": group or None}
    wanted = {"name": name, "role": role, "owner": owner or getpass.getuser(), **bounds}
    store_commands().create_token(loaded, wanted, expires, as_json=as_json)


@token_app.command("list")
def token_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show all tokens, without their secrets."""
    _, loaded = load(config)
    store_commands().list_tokens(loaded, as_json=as_json)


@token_app.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a token at once."""
    _, loaded = load(config)
    store_commands().revoke_token(loaded, name, as_json=as_json)


@audit_app.command("verify")
def audit_verify(
    config: ConfigOption = None,
    log_file: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="A log of the server's, for the heads noted in it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no row of the audit trail was changed, taken out or cut off: 0 when it is whole, 1 when not."""
    _, loaded = load(config)
    store_commands().verify_audit(loaded, log_file, as_json=as_json)


@audit_app.command("acknowledge")
def audit_acknowledge(
    reason: Annotated[str, typer.Option(help="Why rows are gone, as in 'restored from the backup of Monday'.")],
    config: ConfigOption = None,
    log_file: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="A log of the server's, for the heads noted in it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say that the loss of audit rows is a known one; a row of the trail names what is lost."""
    _, loaded = load(config)
    store_commands().acknowledge_loss(loaded, reason, log_file, as_json=as_json)


@store_app.command("begin-anew")
def store_begin_anew(
    reason: Annotated[str, typer.Option(help="Why the store is gone; the audit trail begins with it.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """After the store was lost: yes, take what is there, and make what is not. A running server goes on with it."""
    _, loaded = load(config)
    store_commands().begin_store_anew(loaded, reason, as_json=as_json)


@audit_app.command("export")
def audit_export(
    config: ConfigOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="ID|TIME", help="Only rows behind an id, or from a time on.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Left out: stdout.")] = None,
) -> None:
    """Write the audit trail as JSON lines, oldest first."""
    _, loaded = load(config)
    store_commands().export_audit(loaded, since, out)


def store_commands() -> ModuleType:
    """The commands that need the store; loaded for them alone, since it takes others a quarter of a second."""
    return importlib.import_module("moatdns.cli.store")


def _ask_ourselves(host: str, port: int, timeout_seconds: float) -> str | None:
    """Ask for _dns.resolver.arpa, which needs no upstream. None when the answer comes, else what went wrong."""
    ident = secrets.token_bytes(2)
    query = ident + b"\x01\x00\x00\x01" + bytes(6) + parse_name("_dns.resolver.arpa") + b"\x00\x40\x00\x01"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(timeout_seconds)
            one.connect((host, port))
            one.send(query)
            answer = one.recv(4096)
    except TimeoutError:
        return f"no answer within {timeout_seconds:g} s"
    except OSError as error:
        return error.strerror or str(error)
    if len(answer) < HEADER:
        return "a wrong answer, too short for DNS"
    rcode = answer[3] & 0xF
    if answer[:2] != ident or rcode not in (Rcode.NOERROR, Rcode.REFUSED):  # clients.allow may leave us out
        return f"a wrong answer, rcode {rcode}"
    return None


def main() -> None:
    """The `moatdns` script."""
    app()
