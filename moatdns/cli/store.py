"""Commands on what is in the store, with or without a running server: tokens, the audit trail."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from admin_api.audit.head import noted_heads
from admin_api.durations import expiry
from admin_api.store import audit, groups, tokens, trail
from admin_api.store.engine import FILE
from admin_api.store.errors import StoreAway
from admin_api.store.heads import Head, append_head
from admin_api.store.store import Store
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load, work_as_owner
from resolver.config.addresses import read_network
from resolver.config.fields import secret
from resolver.config.schema import Config
from resolver.errors import MoatdnsError, RuleError
from resolver.system.safe_text import refuse_acting, visible_json
from resolver.telemetry.log import make_log

ACTOR = "command line"

token_app = typer.Typer()
audit_app = typer.Typer()

LogOption = Annotated[
    Path | None, typer.Option("--log", metavar="FILE", help="A log file of the server, for the heads in it.")
]

T = TypeVar("T")


@token_app.command("create")
def create_token(
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
    owner = owner or getpass.getuser()
    if role not in tokens.ROLES:
        fail(f"--role: {role!r} is not a role: use one of {', '.join(tokens.ROLES)}", code=2)
    for option, bound in (("--network", network), ("--group", group)):
        if bound and role != "lease":
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
                role=role,
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
        print_line(f"{row.name:<24} {row.role:<9} {row.owner}: {state}{expires}, {used}")


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


@audit_app.command("verify")
def verify_audit(config: ConfigOption = None, log_file: LogOption = None, as_json: JsonOption = False) -> None:
    """Check that no row of the audit trail was changed, removed or cut off: exit 0 if intact, else 1."""
    _, loaded = load(config)
    heads = _heads(loaded, log_file)

    async def verify(store: Store) -> tuple[int, trail.Verified]:
        async with store.read() as connection:
            rows, _ = await audit.head(connection)
            return rows, await trail.look_through(connection, store.audit_key, heads)

    rows, found = with_store(loaded, verify)
    findings, gaps = found.findings, found.gaps
    if as_json:
        print_json({"ok": not findings, "rows": rows, "heads": len(heads), "findings": findings, "gaps": gaps})
    else:
        for finding in findings:
            print_line(finding)
        if not findings:
            but = " except for acknowledged losses" if gaps else ""
            print_line(f"the audit trail is intact{but}: {rows} rows, checked against {len(heads)} recorded heads")
        for gap in gaps:
            print_line(f"known: {gap}")
    if findings:
        raise typer.Exit(1)


@audit_app.command("acknowledge")
def acknowledge_loss(
    reason: Annotated[str, typer.Option(help="Why rows are lost, such as 'restored from the backup of Monday'.")],
    config: ConfigOption = None,
    log_file: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Acknowledge a known loss of audit rows; a row of the trail names the lost ones."""
    _, loaded = load(config)
    if not reason.strip():
        fail("--reason: say why rows are lost", code=2)
    heads = _heads(loaded, log_file)

    async def acknowledge(store: Store) -> list[trail.Pair]:
        async with store.change(ACTOR) as change:
            return await trail.acknowledge(change, store.audit_key, heads, reason.strip())

    lost = with_store(loaded, acknowledge)
    if as_json:
        named = [{"row": row, "mac": mac} for row, mac in lost]
        print_json({"reason": reason.strip(), "lost_heads": named})
    else:
        print_line(
            f"acknowledged: {len(lost)} recorded heads are lost, the last of them row {max(row for row, _ in lost)}"
        )


def _heads(config: Config, log_file: Path | None) -> list[trail.Pair]:
    try:
        work_as_owner(config)
        return noted_heads(config.state_dir, log_file)
    except MoatdnsError as error:
        fail(str(error))


@audit_app.command("export")
def export_audit(
    config: ConfigOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="ID|TIME", help="Only rows after this id, or from this time on.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: stdout.")] = None,
) -> None:
    """Print the audit trail as JSON lines, oldest first."""
    _, loaded = load(config)
    last, start = 0, None
    if since is not None and since.isascii() and since.isdigit():
        last = int(since)
    elif since is not None:
        try:
            start = datetime.fromisoformat(since)
        except ValueError:
            fail(f"--since: {since!r} is neither a row's id nor a time such as '2026-01-31T12:00:00Z'", code=2)
        start = start.replace(tzinfo=start.tzinfo or UTC)

    try:
        # Opened as whoever runs this, before the store is as its owner.
        with out.open("w", encoding="utf-8") if out else contextlib.nullcontext(sys.stdout) as file:

            async def export(store: Store) -> None:
                after = last
                async with store.read() as connection:
                    while rows := await audit.rows_after(connection, after, limit=1000, since=start):
                        for row in rows:
                            file.write(visible_json(json.dumps(row.plain(), separators=(",", ":"))) + "\n")
                        after = rows[-1].id

            with_store(loaded, export)
    except OSError as error:
        fail(f"{out or 'stdout'}: {error.strerror}")


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
    return {"name": row.name, "role": row.role, "owner": row.owner, **shown, **bound, **state}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
