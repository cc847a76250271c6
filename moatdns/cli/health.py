"""The command that asks the running resolver whether it answers. Containers run it all the time: it imports little."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Annotated

import typer

from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_line
from moatdns.supervisor.boot import recall
from resolver.config.addresses import parse_endpoint
from resolver.config.finding import find_config
from resolver.errors import ConfigError
from resolver.listeners.sockets import DO53
from resolver.wire.codes import HEADER, Rcode
from resolver.wire.names import parse_name

app = typer.Typer()


@app.callback()
def _commands() -> None:
    pass  # one command alone would be no group


@app.command()
def healthcheck(
    config: ConfigOption = None,
    timeout_seconds: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the answer.")] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Ask the running resolver a question that it answers itself: exit 0 if it does, else 1."""
    host, port = _address_of(config)
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


def _address_of(config: str | None) -> tuple[str, int]:
    """The first address of plain DNS: by the record of the last start where the config is the same, else by itself."""
    try:
        path = find_config(config, os.environ)
    except ConfigError as error:
        fail(*error.problems)
    plan = recall(path) if path is not None else None
    if plan is not None:
        first = next(one for one in plan.ground.listen if one.kind == DO53)  # of which a config has one at least
        return first.host, first.port
    from moatdns.cli.reading import load  # noqa: PLC0415 (slow to import, and seldom needed)

    return parse_endpoint(load(config)[1].listen.do53[0])


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
