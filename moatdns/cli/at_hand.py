"""Commands that look at a config and at what a server left: check-config, explain, schema."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from blocklists.loading import load_catalogue
from blocklists.sources import known_references
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load, policy_of, subjects_of
from moatdns.planning import certificate_troubles
from resolver.answering.explaining import access_of, explain_query
from resolver.config.certificates import check_ca_file, load_authorities, load_pair
from resolver.config.finding import find_config
from resolver.config.json_schema import json_schema
from resolver.config.load import checked, placed, read_document
from resolver.config.notes import config_notes
from resolver.config.places import Document
from resolver.config.schema import Config
from resolver.config.settings import LogSinkSettings
from resolver.config.to_settings import control_settings, worker_settings
from resolver.errors import ConfigError, ListenError, RuleError
from resolver.policy.explain import Explanation
from resolver.snapshot.clocks import now
from resolver.wire.names import parse_any_name

app = typer.Typer()


@app.command("check-config")
def check_config(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check a config file: exit 0 if it is valid, 1 with every error, its line and key."""
    try:
        path = find_config(config, os.environ)
        document = read_document(path)
        loaded = checked(path, document, known_references(load_catalogue()))
        notes = [*_look_at_files(loaded, document), *config_notes(loaded)]
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
        print_line(f"{path or 'built-in defaults'}: valid ({what})")
        for note in notes:
            print_line(f"note: {note}")


@app.command("explain")
def explain_command(
    name: Annotated[str, typer.Argument(help="The domain name to explain.")],
    config: ConfigOption = None,
    client: Annotated[str, typer.Option(metavar="IP", help="The client's address.")] = "127.0.0.1",
    client_name: Annotated[
        str, typer.Option(metavar="NAME", help="The client's name over DoT or DoH; proved:NAME by certificate.")
    ] = "",
    qtype: Annotated[str, typer.Option("--type", metavar="TYPE", help="The record type.")] = "A",
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="By the policy of that moment, as 2026-01-31T12:00:00Z.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the decision on a name for a client, and why, by the code that answers queries."""
    path, loaded = load(config)
    if at is not None:
        _explain_then(loaded, at, name, client, client_name, qtype, as_json=as_json)
        return
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
        print_json({**asdict(explanation), "origin": origin})
        return
    _print_explanation(explanation)
    print_line(f"  {'policy':<11} {origin}")


def _explain_then(
    config: Config, at: str, name: str, client: str, client_name: str, qtype: str, *, as_json: bool
) -> None:
    from admin_api.evidence.then import AskedThen  # noqa: PLC0415 (the store, which asking about now does without)
    from moatdns.cli.explaining_then import explained_then, time_of  # noqa: PLC0415

    when = time_of(at)
    try:
        asked = AskedThen(when, parse_any_name(name), client, client_name, qtype)
    except RuleError as error:
        fail(str(error), code=2)
    then = explained_then(config, asked)
    if as_json:
        print_json({**asdict(then.explanation), "at": when.isoformat(), "notes": then.notes})
        return
    _print_explanation(then.explanation)
    print_line(f"  {'policy':<11} revision {then.revision}, as of {when.isoformat()}")
    for note in then.notes:
        print_line(f"  {'note':<11} {note}")


def _print_explanation(explanation: Explanation) -> None:
    print_line(f"{explanation.name} {explanation.type} for {explanation.client}: {explanation.verdict}")
    if explanation.identity is not None:
        print_line(f"  {'identity':<11} {explanation.identity}")
    for step in explanation.trace:
        print_line(f"  {step.step:<11} {step.outcome:<23} {step.detail}")


@app.command()
def schema(as_json: JsonOption = True) -> None:
    """Print the JSON Schema of the config file; always JSON."""
    print_json(json_schema())


def _look_at_files(config: Config, document: Document | None) -> list[str]:
    """Notes on the certificates that a config names. Raises ConfigError with all that cannot be used of them."""
    settings = worker_settings(config, workers=1, system_servers=[])
    admin = control_settings(config)
    notes: list[str] = []
    problems: list[str] = []

    def look(check: Callable[[], Iterable[str] | None]) -> None:
        try:
            notes.extend(check() or ())
        except ListenError as error:
            problems.append(placed(config.source, document, str(error)))

    look(lambda: check_ca_file(settings.upstream.ca_file))
    look(lambda: certificate_troubles(settings.encrypted))
    if admin.certificate and admin.private_key:
        pair = Path(admin.certificate), Path(admin.private_key)
        look(lambda: load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *pair, section="admin.tls"))
    if admin.oidc is not None and (ca_file := admin.oidc.ca_file) is not None:
        look(lambda: load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file, "login.oidc.ca_file"))
    for index, sink in enumerate(admin.log_sinks):
        look(partial(_look_at_sink, sink, f"log_sinks[{index}].tls"))
    if problems:
        raise ConfigError(problems)
    return notes


def _look_at_sink(sink: LogSinkSettings, section: str) -> None:
    """Whether the files of a log sink's TLS can be used. Raises ListenError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sink.ca is not None:
        load_authorities(context, sink.ca, f"{section}.ca")
    if sink.certificate and sink.private_key:
        load_pair(context, Path(sink.certificate), Path(sink.private_key), section)
