"""The commands on the policy as one file: export, plan, apply, history, rollback. They call a running server's API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from admin_api.editing.errors import path_of
from admin_api.policy_file.text import as_yaml
from moatdns.cli.api_client import ApiAnswer, ApiClient, Item, api_command
from moatdns.cli.common import ask_first, fail, seconds_of
from moatdns.cli.output import print_json, print_line, print_lines
from resolver.config.places import Document, read_yaml
from resolver.config.wording import KeyPath, path_text

policy_app = typer.Typer()

_MOST_BYTES = 16 << 20
_SIGNS = {"create": "+", "delete": "-", "update": "~"}

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file in the form of 'policy export'.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
RevisionOption = Annotated[
    int | None, typer.Option("--revision", metavar="N", help="Only if the policy still has this revision.")
]


@api_command(policy_app, "export")
def export(
    api: ApiClient,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: stdout.")] = None,
) -> None:
    """Write the whole policy as YAML."""
    body = api.call("GET", "policy").body
    text = json.dumps(body, indent=2) + "\n" if api.as_json else as_yaml(body)
    if file is None:
        print_lines(text.rstrip("\n"))
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{file}: {error.strerror}")


@api_command(policy_app, "plan")
def plan(
    api: ApiClient,
    file: FileArgument,
    replay: Annotated[
        str | None,
        typer.Option("--replay", metavar="DURATION", help="Also evaluate the query log's last '7d', '12h' by it."),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", help="Why: required with --replay, which shows clients; the audit trail has it.")
    ] = "",
) -> None:
    """Show the changes of a file, and, with --replay, the affected clients and names."""
    if replay and not reason.strip():
        fail("--reason: is required with --replay, which shows what clients asked for", code=2)
    asked = {"replay_seconds": seconds_of(replay, "--replay"), "reason": reason} if replay else {}
    query = f"?{urlencode(asked)}" if asked else ""
    planned = _send(api, f"policy:plan{query}", _read(file), file).body
    api.show(planned, _print)
    if planned["changes"] and not api.as_json:
        print_line(f"to apply this: moatdns policy apply {file} --revision {planned['revision']}")


@api_command(policy_app, "apply")
def apply(
    api: ApiClient,
    file: FileArgument,
    revision: RevisionOption = None,
    yes: YesOption = False,
) -> None:
    """Replace the policy by that of a file: all of it, or nothing."""
    document = _read(file)
    if revision is None:
        planned = _send(api, "policy:plan", document, file).body
        revision = planned["revision"]
        if not _is_wanted(api, planned, yes):
            return
    _done(api, _send(api, "policy:apply", document, file, If_Match=f'"{revision}"'))


@api_command(policy_app, "history")
def history(
    api: ApiClient,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many revisions.")] = 20,
) -> None:
    """List the policy's revisions, newest first."""
    api.show_all(api.call("GET", f"policy/history?limit={limit}").body["items"], _print_revision)


@api_command(policy_app, "rollback")
def rollback(
    api: ApiClient,
    revision: Annotated[int, typer.Argument(metavar="REVISION", min=0)],
    yes: YesOption = False,
) -> None:
    """Restore the policy of a revision. Parts from the config file stay as they are."""
    planned = api.call("POST", "policy:plan", {"to_revision": revision}).body
    if _is_wanted(api, planned, yes):
        tag = f'"{planned["revision"]}"'
        _done(api, api.call("POST", "policy:rollback", {"to_revision": revision}, If_Match=tag))


def _is_wanted(api: ApiClient, planned: Item, yes: bool) -> bool:
    """Show a plan, and ask; False where it changes nothing."""
    if not planned["changes"]:
        api.show(planned, lambda _: print_line("nothing would change"))
        return False
    if not api.as_json:
        _print(planned)
    ask_first(yes, "apply this?", "nothing was changed")
    return True


def _read(file: Path) -> Document:
    """The file as plain data, with its lines; ends with status 1 and its mistakes."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        fail(f"{file}:{line}: this line is not UTF-8: save the file as UTF-8")
    if len(raw) > _MOST_BYTES:
        fail(f"{file}: is larger than {_MOST_BYTES >> 20} MiB: add large lists by the API's /lists")
    document = read_yaml(text, lambda value: value)
    if document.problems:
        fail(*(_line(file, problem.line, problem.path, problem.text) for problem in document.problems))
    if not isinstance(document.data, dict) or "policy" not in document.data:
        fail(f"{file}:1: the file needs a section 'policy', as 'moatdns policy export' writes it")
    return document


def _send(api: ApiClient, path: str, document: Document, file: Path, **headers: str) -> ApiAnswer:
    answer = api.call("POST", path, document.data, accept=(422,), **headers)
    if answer.status == 422:
        lines = []
        for error in answer.body["errors"]:
            where = path_of(error["pointer"])
            if where == ("replay_seconds",):
                fail(f"--replay: in seconds, {error['detail']}", code=2)
            if where == ("reason",):
                fail(f"--reason: {error['detail']}", code=2)
            lines.append(_line(file, document.places.line_of(where), where, error["detail"]))
        fail(*lines)
    return answer


def _line(file: Path, line: int, path: KeyPath, text: str) -> str:
    at = f" {path_text(path)}:" if path else ""
    return f"{file}:{line}:{at} {text}"


def _print(body: Item) -> None:
    """A plan that reads like a diff."""
    if not body["changes"]:
        print_line("nothing would change")
    for change in body["changes"]:
        print_line(f"{_SIGNS[change['action']]} {change['object']}")
        before, after = change["before"] or {}, change["after"] or {}
        for key in [*before, *(key for key in after if key not in before)]:
            old, new = before.get(key), after.get(key)
            if old == new or key == "name":
                continue
            if change["action"] != "create":
                print_line(f"    - {key}: {json.dumps(old)}")
            if change["action"] != "delete":
                print_line(f"    + {key}: {json.dumps(new)}")
        for sign, side in (("+", change["added"]), ("-", change["removed"])):
            for rule in side["some"]:
                print_line(f"    {sign} {rule}")
            if side["count"] > len(side["some"]):
                print_line(f"    {sign} and {side['count'] - len(side['some'])} more rules")
    for kept in body["kept"]:
        print_line(f"stays: {kept}")
    if body.get("replay"):
        _print_replay(body["replay"])


def _print_revision(item: Item) -> None:
    print_line(f"{item['revision']:>6} {item['at'][:19]}Z {item['actor']}: {', '.join(item['changes']) or '-'}")


def _print_replay(replay: Item) -> None:
    print_line(f"of {replay['queries']} logged queries, {replay['changed']} would get another verdict")
    for item in replay["items"]:
        print_line(
            f"    {item['client']} {item['name']}: {item['before']} -> {item['after']} ({item['queries']} times)"
        )
    for text in replay["cannot_show"]:
        print_line(f"  not shown: {text}")


def _done(api: ApiClient, answer: ApiAnswer) -> None:
    if api.as_json:
        print_json(answer.body)
    elif answer.status == 202 or answer.headers.get("x-moatdns-in-force") == "false":
        print_line(f"stored as revision {answer.body['revision']}, in force soon: see /status")
    else:
        print_line(f"in force as revision {answer.body['revision']}")
