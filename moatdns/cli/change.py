"""Commands on changes that wait for another owner. They call the admin API of a running server."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import typer

from moatdns.cli.api_client import DEFAULT_URL, ApiClient, CaOption, TokenFileOption, UrlOption
from moatdns.cli.common import JsonOption, fail, print_json, print_line

change_app = typer.Typer(help="Changes that open something, and wait for another owner.", no_args_is_help=True)

_ID = re.compile(r"ch-[0-9a-f]{1,40}\Z")

IdArgument = Annotated[str, typer.Argument(metavar="ID")]


@change_app.command("list")
def list_changes(
    status: Annotated[
        str | None, typer.Option("--status", help="pending, approved, denied, withdrawn or expired.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits, and what became of the rest, newest first."""
    items = list(ApiClient(url, token_file, ca).items("change-requests", status=status))
    if as_json:
        print_json(items)
        return
    for item in items:
        _show(item)


@change_app.command("show")
def show(
    number: IdArgument,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one, with all that it would do."""
    item = ApiClient(url, token_file, ca).call("GET", f"change-requests/{_id(number)}").body
    if as_json:
        print_json(item)
        return
    _show(item)
    for change in item["changes"]:
        print_line(f"  {change['action']} {change['object']}")
        for sign, state in (("-", change["before"]), ("+", change["after"])):
            if state is not None:
                print_line(f"    {sign} {json.dumps(state)}")


@change_app.command("approve")
def approve(
    number: IdArgument,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have it done: just what another owner asked for, at once."""
    item = ApiClient(url, token_file, ca).call("POST", f"change-requests/{_id(number)}:approve", {}).body
    if as_json:
        print_json(item)
        return
    _show(item)
    if isinstance(item["result"], dict) and item["result"].get("token_part"):
        print_line(f"the first half of the token, shown this once: {item['result']['token_part']}")


@change_app.command("deny")
def deny(
    number: IdArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT")] = "",
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny what somebody asked for."""
    _end("deny", number, reason, ApiClient(url, token_file, ca), as_json=as_json)


@change_app.command("withdraw")
def withdraw(
    number: IdArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT")] = "",
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what you asked for."""
    _end("withdraw", number, reason, ApiClient(url, token_file, ca), as_json=as_json)


def _end(action: str, number: str, reason: str, client: ApiClient, *, as_json: bool) -> None:
    item = client.call("POST", f"change-requests/{_id(number)}:{action}", {"reason": reason or None}).body
    if as_json:
        print_json(item)
    else:
        _show(item)


def _show(item: dict[str, Any]) -> None:
    until = f", waits until {item['waits_until'][:19]}Z" if item["status"] == "pending" else ""
    print_line(f"{item['id']} {item['status']}: asked for by {item['requested_owner']}{until}: {item['operation']}")
    for phrase in item["opens"]:
        print_line(f"  {phrase}")


def _id(text: str) -> str:
    """An id, fit for a path; ends with status 2 for what is none."""
    if _ID.match(text) is None:
        fail(f"{text!r} is no id of a change: 'change list' shows them", code=2)
    return text
