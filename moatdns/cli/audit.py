"""Commands on the audit trail, with or without a running server: checks, heads, export."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from admin_api.audit.head import noted_heads
from admin_api.audit.signed_head import FORMAT, head_content
from admin_api.signed.files import signed
from admin_api.signed.keys import public_key_of
from admin_api.store import audit, trail
from admin_api.store.heads import Head
from admin_api.store.store import Store
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.kept_heads import HeadKeyOption, HeadOption, pairs_of_store, signed_heads
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load, work_as_owner
from moatdns.cli.signing import signing_key
from moatdns.cli.store import ACTOR, with_store
from resolver.config.schema import Config
from resolver.errors import MoatdnsError
from resolver.system.safe_text import visible_json

audit_app = typer.Typer()

LogOption = Annotated[
    Path | None, typer.Option("--log", metavar="FILE", help="A log file of the server, for the heads in it.")
]


@audit_app.command("verify")
def verify_audit(
    config: ConfigOption = None,
    log_file: LogOption = None,
    head_files: HeadOption = None,
    key: HeadKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no row of the audit trail was changed, removed or cut off: exit 0 if intact, else 1.

    With --key alone, the checkpoint that rows were removed by has to be signed by that key.
    """
    _, loaded = load(config)
    try:
        signer = public_key_of(key) if key and not head_files else None
    except MoatdnsError as error:
        fail(str(error))
    noted, signed_ones = _heads(loaded, log_file), signed_heads(loaded, head_files or (), key)
    heads = [*(head.pair for head in signed_ones), *noted]

    async def verify(store: Store) -> tuple[int, trail.Verified]:
        pairs_of_store(signed_ones, store.id)
        async with store.read() as connection:
            rows, _ = await audit.head(connection)
            return rows, await trail.look_through(connection, store.audit_key, heads, signer=signer)

    rows, found = with_store(loaded, verify)
    findings, gaps = found.findings, found.gaps
    if as_json:
        told = {"findings": findings, "gaps": gaps, "erased": found.erased, "removed": found.removed}
        print_json({"ok": not findings, "rows": rows, "heads": len(heads), **told})
    else:
        for finding in findings:
            print_line(finding)
        if not findings:
            but = " except for acknowledged losses" if gaps else ""
            print_line(f"the audit trail is intact{but}: {rows} rows, checked against {len(heads)} recorded heads")
        for gap in gaps:
            print_line(f"known: {gap}")
        for told_of in (*found.removed, *found.erased):
            print_line(f"known: {told_of}")
    if findings:
        raise typer.Exit(1)


@audit_app.command("head")
def print_head(config: ConfigOption = None, as_json: JsonOption = True) -> None:
    """Print the audit trail's head, signed: kept elsewhere, it shows later whether rows were cut off. Always JSON."""
    _, loaded = load(config)

    async def head(store: Store) -> Head:
        async with store.read() as connection:
            return Head(*await audit.head(connection), store.id)

    found = with_store(loaded, head)
    if not found.row:
        fail("the audit trail is empty")
    print_json(signed(FORMAT, head_content(found, datetime.now(UTC)), signing_key(loaded)), indent=None)


@audit_app.command("acknowledge")
def acknowledge_loss(
    reason: Annotated[str, typer.Option(help="Why rows are lost, such as 'restored from the backup of Monday'.")],
    config: ConfigOption = None,
    log_file: LogOption = None,
    head_files: HeadOption = None,
    key: HeadKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Acknowledge a known loss of audit rows; a row of the trail names the lost ones."""
    _, loaded = load(config)
    if not reason.strip():
        fail("--reason: say why rows are lost", code=2)
    noted, signed_ones = _heads(loaded, log_file), signed_heads(loaded, head_files or (), key)

    async def acknowledge(store: Store) -> list[trail.Pair]:
        # The signed ones first: when they were noted, beside the others, nobody knows.
        heads = [*pairs_of_store(signed_ones, store.id), *noted]
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


def _heads(config: Config, log_file: Path | None) -> list[trail.Pair]:
    try:
        work_as_owner(config)
        return noted_heads(config.state_dir, log_file)
    except MoatdnsError as error:
        fail(str(error))
