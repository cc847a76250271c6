"""Commands on the store as a whole, with or without a running server: a new beginning, and what a restore suspended."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from admin_api.store import restored
from admin_api.store.anew import begin_anew
from admin_api.store.restored import ConfirmedThings, SuspendedThings
from admin_api.store.store import Store
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load, work_as_owner
from moatdns.cli.store import ACTOR, who_runs_this, with_store
from resolver.config.fields import secret
from resolver.errors import MoatdnsError
from resolver.telemetry.log import make_log

store_app = typer.Typer()


@store_app.command("begin-anew")
def begin_store_anew(
    reason: Annotated[str, typer.Option(help="Why the store was lost; recorded in the new audit trail.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """After the store was lost: begin with the existing or a new one. A running server uses it."""
    _, loaded = load(config)
    work_as_owner(loaded)
    url = secret(loaded.store.url) if loaded.store.url else None
    try:
        begun = asyncio.run(begin_anew(url, loaded.state_dir, make_log(), actor=ACTOR, reason=reason.strip()))
    except MoatdnsError as error:
        fail(str(error))
    if as_json:
        print_json({**asdict(begun), "lost": [list(pair) for pair in begun.lost]})
        return
    kept = f"with its {begun.rows_kept} audit rows" if begun.rows_kept else "which is empty"
    print_line(f"the store begins anew: {begun.place}, {kept}; row {begun.row} of its audit trail says so")
    if begun.put_aside:
        print_line(f"the old store is now {loaded.state_dir / begun.put_aside}")


@store_app.command("confirm-restored")
def confirm_restored(
    token: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This token. Repeatable.")] = None,
    exemption: Annotated[list[str] | None, typer.Option(metavar="ID", help="This exemption. Repeatable.")] = None,
    policy: Annotated[
        list[str] | None, typer.Option(metavar="OBJECT", help="This group or list, as in groups/lab. Repeatable.")
    ] = None,
    leave_closed: Annotated[
        list[str] | None,
        typer.Option(metavar="OBJECT", help="This group or list waits no longer, and stays as it is. Repeatable."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is suspended.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """After a restore: show what is suspended or closed, or confirm some of it. A running server hears it."""
    _, loaded = load(config)
    is_named = any((token, exemption, policy, leave_closed))
    if everything and is_named:
        fail("--all: leave out the other options, or name some and leave out --all", code=2)
    if both := sorted({*(policy or ())} & {*(leave_closed or ())}):
        fail(f"--leave-closed: {both[0]} is named by --policy, too", code=2)
    if not everything and not is_named:
        waiting = with_store(loaded, _suspended)
        if as_json:
            print_json(asdict(waiting) if waiting else {"tokens": [], "exemptions": [], "policy": []})
        else:
            _show(waiting)
        return

    async def confirm(store: Store) -> ConfirmedThings:
        which = (None, None, None) if everything else (token or [], exemption or [], policy or [])
        async with store.change(ACTOR) as change:
            return await restored.confirm(change, *which, leave=leave_closed or (), owner="root", by=who_runs_this())

    done = with_store(loaded, confirm)
    if as_json:
        print_json({**asdict(done), "exemptions": [row.id for row in done.exemptions]})
    else:
        openings = f"{len(done.policy)} openings by the policy"
        print_line(f"confirmed: {len(done.tokens)} tokens, {len(done.exemptions)} exemptions, {openings}")
        for name in done.left:
            print_line(f"{name} waits no longer, and stays as it is")


async def _suspended(store: Store) -> SuspendedThings | None:
    async with store.read() as connection:
        return await restored.suspended(connection)


def _show(waiting: SuspendedThings | None) -> None:
    if waiting is None:
        print_line("nothing is suspended")
        return
    print_line(waiting.told)
    for name in waiting.tokens:
        print_line(f"token      {name}")
    for number in waiting.exemptions:
        print_line(f"exemption  {number}")
    for one in waiting.policy:
        print_line(f"{'closed' if one.closed else 'open':9}  {one.object} {'; '.join(one.opens)}")
