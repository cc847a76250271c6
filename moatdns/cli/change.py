"""Commands on changes that wait for another owner. They call the admin API of a running server."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from moatdns.cli.api_client import ApiClient, IdArgument, Item, ReasonOption, api_command, checked_id
from moatdns.cli.output import print_line

change_app = typer.Typer()


@api_command(change_app, "list")
def list_changes(
    api: ApiClient,
    status: Annotated[
        str | None, typer.Option("--status", help="pending, approved, denied, withdrawn or expired.")
    ] = None,
) -> None:
    """List pending and decided changes, newest first."""
    api.show_all(list(api.items("change-requests", status=status)), _print)


@api_command(change_app, "show")
def show(api: ApiClient, number: IdArgument) -> None:
    """Show a change, with its whole effect."""
    api.show(api.call("GET", f"change-requests/{_id(number)}").body, _print_with_changes)


@api_command(change_app, "approve")
def approve(api: ApiClient, number: IdArgument) -> None:
    """Approve a change: it is made at once, exactly as another owner requested it."""
    api.show(api.call("POST", f"change-requests/{_id(number)}:approve", {}).body, _print_approved)


@api_command(change_app, "deny")
def deny(api: ApiClient, number: IdArgument, reason: ReasonOption = "") -> None:
    """Deny a requested change."""
    _end(api, "deny", number, reason)


@api_command(change_app, "withdraw")
def withdraw(api: ApiClient, number: IdArgument, reason: ReasonOption = "") -> None:
    """Withdraw your own request."""
    _end(api, "withdraw", number, reason)


def _end(api: ApiClient, action: str, number: str, reason: str) -> None:
    body = {"reason": reason or None}
    api.show(api.call("POST", f"change-requests/{_id(number)}:{action}", body).body, _print)


def _print(item: Item) -> None:
    until = f", waits until {item['waits_until'][:19]}Z" if item["status"] == "pending" else ""
    print_line(f"{item['id']} {item['status']}: requested by {item['requested_owner']}{until}: {item['operation']}")
    for phrase in item["opens"]:
        print_line(f"  {phrase}")


def _print_with_changes(item: Item) -> None:
    _print(item)
    for change in item["changes"]:
        print_line(f"  {change['action']} {change['object']}")
        for sign, state in (("-", change["before"]), ("+", change["after"])):
            if state is not None:
                print_line(f"    {sign} {json.dumps(state)}")


def _print_approved(item: Item) -> None:
    _print(item)
    if isinstance(item["result"], dict) and item["result"].get("token_part"):
        print_line(f"the first half of the token, shown only once: {item['result']['token_part']}")


def _id(text: str) -> str:
    return checked_id(text, "ch", "id of a change: 'change list' shows them")
