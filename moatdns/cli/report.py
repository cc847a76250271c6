"""Evidence of what was in force: made by a running server's API, verified anywhere with the public key alone."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Annotated, Final

import typer

from admin_api.evidence.lines import FORMAT
from admin_api.signed.files import MOST_OCTETS, NotGenuine, fingerprint_of, verified
from admin_api.signed.keys import public_key_of
from moatdns.cli.api_client import ApiClient, Item, api_command
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.forecast import print_forecast
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load, work_as_owner
from moatdns.cli.signing import signing_key
from resolver.errors import MoatdnsError
from resolver.system.safe_text import visible_json

report_app = typer.Typer()

_PARTS: Final = ("running", "in_force", "revisions", "gaps", "exempt_groups", "standing", "openings", "hits")

KeyOption = Annotated[
    str, typer.Option("--key", metavar="KEY", help="The public key (RW…), or a file with it: see 'report key'.")
]


@api_command(report_app, "evidence")
def evidence(
    api: ApiClient,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Begin, as 2026-01-31T00:00:00Z; default: 30 days ago."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End (not included); default: now.")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME", help="Of this group alone.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the signed file here, for 'report verify'.")
    ] = None,
) -> None:
    """Tell what was in force in a period: revisions, gaps, exempt groups, openings, blind spots. Signed."""
    given = {"from": _time(start), "to": _time(end), "group": group}
    query = urllib.parse.urlencode({name: value for name, value in given.items() if value is not None})
    whole = api.call("GET", f"reports/evidence?{query}").body
    if out is not None:
        try:
            out.write_text(visible_json(json.dumps(whole, indent=1)) + "\n", encoding="utf-8")
        except OSError as error:
            fail(f"{out}: {error.strerror}")
        if not api.as_json:
            print_line(f"written to {out}, signed with {whole['signature']['fingerprint']}")
            return
    api.show(whole, _print, indent=1)


@api_command(report_app, "forecast")
def forecast(
    api: ApiClient,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Begin, as 2026-01-31T00:00:00Z; default: 14 days ago."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End (not included); default: now.")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME", help="Of this group alone.")] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why: with it clients are named; the audit trail has it."),
    ] = None,
) -> None:
    """Tell who would be hit if what groups watch were enforced: clients, services, names, likely requests."""
    given = {"from": _time(start), "to": _time(end), "group": group, "reason": reason}
    query = urllib.parse.urlencode({name: value for name, value in given.items() if value is not None})
    api.show(api.call("GET", f"reports/forecast?{query}").body, print_forecast)


@report_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A signed file, as 'report evidence --out' writes it.")],
    key: KeyOption,
    as_json: JsonOption = False,
) -> None:
    """Check a file with the public key alone, on any machine: exit 0 if nothing was changed, else 1, with what was."""
    try:
        public = public_key_of(key)
    except MoatdnsError as error:
        fail(f"--key: {error}", code=2)
    try:
        with file.open("rb") as opened:
            octets = opened.read(MOST_OCTETS + 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    try:
        content = verified(octets, FORMAT, public)
    except NotGenuine as error:
        if as_json:
            print_json({"ok": False, "key": fingerprint_of(public), "problems": error.problems})
            raise typer.Exit(1) from None
        fail(*(f"{file}: {problem}" for problem in error.problems))
    facts = {name: content.get(name) for name in ("node", "begins", "ends", "made_at", "made_by")}
    if as_json:
        print_json({"ok": True, "key": fingerprint_of(public), **facts})
        return
    print_line(f"{file}: nothing was changed since {facts['node']} signed it at {facts['made_at']}")
    print_line(f"  evidence from {facts['begins']} to {facts['ends']}, made by {facts['made_by']}")
    print_line(f"  key {fingerprint_of(public)}")


@report_app.command("key")
def key_command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the public key that evidence and audit heads are signed with, and its fingerprint."""
    _, loaded = load(config)
    work_as_owner(loaded)
    public = signing_key(loaded).public
    if as_json:
        print_json({"key": public.line, "fingerprint": fingerprint_of(public)})
        return
    print_line(public.line)
    print_line(fingerprint_of(public))


def _time(text: str | None) -> str | None:
    """A time as the API takes it; a day alone is its beginning in UTC."""
    return f"{text}T00:00:00Z" if text is not None and len(text) == len("2026-01-31") and "T" not in text else text


def _print(whole: Item) -> None:
    content = whole["content"]
    group = f", group {content['group']}" if content["group"] else ""
    print_line(f"evidence from {content['begins']} to {content['ends']}{group}, of {content['node']}")
    for part in _PARTS:
        print_line(f"{part.replace('_', ' ')}: {len(content[part])}" + ("" if content[part] else " (none)"))
        for line in content[part]:
            print_line(f"  {_in_words(line)}")
        if left := content["left_out"].get(part):
            print_line(f"  and {left} more")
    for what, count in content["left_out"].items():
        if what not in _PARTS:
            print_line(f"{what}: {count}")
    print_line("known since:")
    for one in content["known_since"]:
        print_line(f"  {one['what']}: {one['since'] or 'nothing is recorded'}")
    print_line("blind spots:")
    for text in content["blind_spots"]:
        print_line(f"  {text}")
    print_line(f"audit trail: row {content['audit']['row']}, {content['audit']['trouble'] or 'no trouble known'}")
    print_line(f"signed with {whole['signature']['fingerprint']}")


def _in_words(line: Item) -> str:
    """A line with its times first, then whatever else it says."""
    parts = []
    if "begins" in line:
        ends = line.get("ended") or line.get("ends") or line.get("until")
        parts.append(f"{line['begins'][:19]}Z - {f'{ends[:19]}Z' if ends else 'now'}")
    for name, value in line.items():
        if name not in ("begins", "ends", "ended", "until") and value not in (None, [], ""):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            parts.append(f"{name.replace('_', ' ')}: {shown}")
    return "; ".join(parts)
