"""Commands on single persons: export, erase. They call the admin API of a running server."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from moatdns.cli.api_client import ApiClient, Item, ReasonOption, api_command
from moatdns.cli.common import ask_first, fail
from moatdns.cli.output import ProgressLine, print_json, print_line, print_problems

people_app = typer.Typer()

IdentityArgument = Annotated[
    str, typer.Argument(metavar="IDENTITY", help="As leases and certificates have it, in any letter case.")
]
_TAKEN_OUT = {  # as they are told, in the order of the reply
    "queries": "queries of the query log",
    "hits": "hits in the statistics, now counted under 'erased'",
    "lease_history": "rows of the lease history",
    "exemptions": "ended exemptions that named them",
    "change_requests": "decided change requests that named them",
    "messages": "messages about them that waited to be sent",
    "looks": "looks at them that others had agreed to",
    "audit_rows": "rows of the audit trail, of their texts",
}


@api_command(people_app, "export")
def export(
    api: ApiClient,
    identity: IdentityArgument,
    reason: ReasonOption,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="A new file, readable by its owner alone; else stdout.")
    ] = None,
) -> None:
    """Export all that this node keeps of a person, as JSON lines; the last line says what was cut."""
    progress = ProgressLine()
    progress.tell(f"asking for all that is kept of {identity}")
    try:
        lines = api.call("POST", "people:export", {"identity": identity, "reason": reason}).body
    finally:
        progress.end()
    told = [json.loads(line) for line in lines.splitlines()]
    if to is None:
        for line in told:
            print_json(line, indent=None)
    else:
        try:
            with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(lines)
        except OSError as error:
            fail(f"--to: {to}: {error.strerror or error}")
        kinds = Counter(line["kind"] for line in told)
        written = ", ".join(f"{kinds[kind]} of kind {kind}" for kind in kinds if kind not in ("person", "end"))
        print_problems(f"{to}: {written or 'nothing is kept of this person'}")
    print_problems(*(f"cut: {what}" for what in told[-1]["cut"]))


@api_command(people_app, "erase")
def erase(
    api: ApiClient,
    identity: IdentityArgument,
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person from all that this node keeps; leases and exemptions of theirs have to be ended before."""
    if not yes:
        print_problems(f"{identity} is erased from query log, statistics, lease history, exemptions and audit texts.")
    ask_first(yes, "This cannot be undone. Erase?", "nothing is erased")
    done = api.call("POST", "people:erase", {"identity": identity, "reason": reason}).body
    api.show(done, _print_erased)
    if not done["is_over"]:
        fail("it is not over yet: erase again in a minute")


def _print_erased(done: Item) -> None:
    numbers = {"queries": done["queries"], **done["taken_out"]}
    print_line(f"erased, as {done['erased'][:16]}…:")
    for name, what in _TAKEN_OUT.items():
        if numbers[name] is not None:
            print_line(f"{numbers[name]:>8} {what}")
    print_line("not reached:")
    for where in done["not_reached"]:
        print_line(f"  {where}")
