"""Print what this installation stores of people, in words. It calls the admin API of a running server."""

from __future__ import annotations

import typer

from moatdns.cli.api_client import ApiClient, Item, api_command
from moatdns.cli.output import print_line

app = typer.Typer()


@app.callback()
def _commands() -> None:
    pass  # one command alone would be no group


@api_command(app, "privacy")
def privacy(api: ApiClient) -> None:
    """Tell what this installation stores of people: what, where, how long, who sees it, and where it goes."""
    api.show(api.call("GET", "privacy").body, _print)


def _print(found: Item) -> None:
    print_line("recorded: " + ", ".join(f"{key}: {value}" for key, value in found["recorded"].items()))
    print_line(f"store: {found['store']}")
    for kind in found["kinds"]:
        print_line("")
        print_line(f"{kind['name']}: {_amount(kind)}")
        print_line(f"  holds {kind['holds']}")
        print_line(f"  where: {kind['where']}")
        print_line(f"  kept: {kind['kept']}")
        print_line(f"  seen by: {kind['seen_by']}")
        if kind["settings"]:
            print_line(f"  settings: {', '.join(kind['settings'])}")
    print_line("")
    print_line("leaves this node:")
    for one in found["receivers"]:
        print_line(f"  {one['name']} ({one['to']}): {one['gets']}")
    print_line("not stored:")
    for sentence in found["not_stored"]:
        print_line(f"  {sentence}")


def _amount(kind: Item) -> str:
    parts = []
    if kind["entries"] is not None:
        parts.append(f"{kind['entries']} {'entry' if kind['entries'] == 1 else 'entries'}")
    if kind["octets"] is not None:
        parts.append(f"{kind['octets']} octets in files")
    since = f", since {kind['since']}" if kind["since"] else ""
    return f"{', '.join(parts) or 'nothing'}{since}"
