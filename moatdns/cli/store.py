"""Commands on what is in the store, with or without a running server: tokens; and the way to the store."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from admin_api.durations import expiry
from admin_api.store import audit, groups, tokens
from admin_api.store.engine import FILE
from admin_api.store.errors import StoreAway
from admin_api.store.heads import Head, append_head
from admin_api.store.roles import ROLES, mistake_in, only_leases
from admin_api.store.store import Store
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load, work_as_owner
from resolver.config.addresses import read_network
from resolver.config.fields import secret
from resolver.config.schema import Config
from resolver.errors import MoatdnsError, RuleError
from resolver.system.safe_text import refuse_acting
from resolver.telemetry.log import make_log

ACTOR = "command line"

token_app = typer.Typer()

T = TypeVar("T")


@token_app.command("create")
def create_token(
    name: Annotated[str, typer.Option(help="The token's name.")],
    role: Annotated[list[str], typer.Option(help=f"One of {', '.join(ROLES)}. Repeatable.")],
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
    owner = owner or getpass.getuser()
    for one in role:
        if one not in ROLES:
            fail(f"--role: {one!r} is not a role: use one of {', '.join(ROLES)}", code=2)
    if mistake := mistake_in(role):
        fail(f"--role: {mistake}", code=2)
    for option, bound in (("--network", network), ("--group", group)):
        if bound and not only_leases(role):
            fail(f"{option}: only for --role lease", code=2)
    try:
        networks = [read_network(text) for text in network] if network else None
    except RuleError as error:
        fail(f"--network: {error}", code=2)
    try:
        expires_at = expiry(expires, datetime.now(UTC)) if expires else None
    except ValueError as error:
        fail(f"--expires: {error}", code=2)

    for option, given in (("--name", name), ("--owner", owner)):
        try:
            refuse_acting(given)
        except RuleError as error:
            fail(f"{option}: {error}", code=2)

    async def create(store: Store) -> tuple[tokens.TokenRow, str]:
        async with store.change(ACTOR) as change:
            for one in group or ():
                await groups.get(change.connection, one)
            return await tokens.create(
                change,
                name=name,
                owner=owner,
                roles=role,
                expires_at=expires_at,
                networks=networks,
                groups=group or None,
                by=who_runs_this(),
            )

    row, text = with_store(loaded, create)
    if as_json:
        print_json({**_plain(row), "token": text}, indent=None)
    else:
        print_line(text)


def note_accepted(config: Config, rules: dict[str, list[str]]) -> None:
    """Have the audit trail know that a new catalogue was taken, where there is a store yet."""
    if config.store.url is None and not (config.state_dir / FILE).exists():
        return

    async def note(store: Store) -> None:
        async with store.change(ACTOR) as change:
            change.record("accept", "catalogue", None, {**rules, "by": who_runs_this()})

    with_store(config, note)


@token_app.command("list")
def list_tokens(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show all tokens, without their secrets."""
    _, loaded = load(config)

    async def everything(store: Store) -> list[tokens.TokenRow]:
        async with store.read() as connection:
            return await tokens.all_tokens(connection)

    rows = with_store(loaded, everything)
    if as_json:
        print_json([_plain(row) for row in rows])
        return
    for row in rows:
        expires = f"expires {_time(row.expires_at)}" if row.expires_at else "does not expire"
        used = f"last used {_time(row.last_used_at)}" if row.last_used_at else "never used"
        state = "suspended, " if row.suspended else ""
        print_line(f"{row.name:<24} {', '.join(row.roles):<20} {row.owner}: {state}{expires}, {used}")


@token_app.command("revoke")
def revoke_token(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a token at once."""
    _, loaded = load(config)

    async def revoke(store: Store) -> None:
        async with store.change(ACTOR) as change:
            await tokens.revoke(change, name)

    with_store(loaded, revoke)
    if as_json:
        print_json({"revoked": name}, indent=None)


def with_store(config: Config, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the store, and note the audit trail's head; ends with status 1 where that fails."""
    work_as_owner(config)

    async def run() -> T:
        url = secret(config.store.url) if config.store.url else None
        store = await Store.open(url, config.state_dir, make_log())
        try:
            outcome = await work(store)
            if store.audited:
                await _note_head(store, config.state_dir)
            return outcome
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except MoatdnsError as error:
        fail(str(error))


async def _note_head(store: Store, state_dir: Path) -> None:
    """Note the audit trail's head; where that cannot be done, the server does it within a minute."""
    async with store.read() as connection:
        row, mac = await audit.head(connection)
    with contextlib.suppress(OSError, StoreAway):
        append_head(state_dir, Head(row, mac, store.id))


def who_runs_this() -> str:
    """The user who runs this command, as the machine says."""
    login = os.environ.get("SUDO_USER")
    return f"{getpass.getuser()}, by sudo from {login}" if login else getpass.getuser()


def _plain(row: tokens.TokenRow) -> dict[str, object]:
    times = {"created_at": row.created_at, "expires_at": row.expires_at, "last_used_at": row.last_used_at}
    shown = {name: _time(at) if at else None for name, at in times.items()}
    bounds = {"networks": row.networks, "groups": row.groups}
    bound = {name: list(values) for name, values in bounds.items() if values is not None}
    state = {"suspended": True} if row.suspended else {}
    return {"name": row.name, "roles": [*row.roles], "role": row.role, "owner": row.owner, **shown, **bound, **state}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
