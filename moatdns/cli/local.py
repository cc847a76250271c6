"""Commands on local names. They call the admin API of a running server."""

from __future__ import annotations

import urllib.parse
from typing import Annotated

import typer

from moatdns.cli.api_client import ApiClient, Item, api_command
from moatdns.cli.output import print_line

local_app = typer.Typer()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name; '*.x' is all below x.")]


@api_command(local_app, "list")
def list_local(
    api: ApiClient,
    contains: Annotated[
        str | None, typer.Option("--contains", metavar="TEXT", help="A text in the name, an address or alias.")
    ] = None,
) -> None:
    """List local names, with what each is answered with and where it was given."""
    api.show_all(list(api.items("local", contains=contains)), _print_local)


@api_command(local_app, "add")
def add(
    api: ApiClient,
    name: NameArgument,
    given: Annotated[list[str], typer.Argument(metavar="ADDRESS...|NAME", help="Addresses, or one name (an alias).")],
) -> None:
    """Make a local name, or give it other addresses or another alias. Those of the config are changed there."""
    has_alias = len(given) == 1 and not (":" in given[0] or given[0].replace(".", "").isdigit())
    body = {"alias": given[0]} if has_alias else {"addresses": given}
    api.show(api.call("PUT", _path(name), body).body, _print_local)


@api_command(local_app, "remove")
def remove(api: ApiClient, name: NameArgument) -> None:
    """Remove a local name that was made through the API."""
    api.call("DELETE", _path(name))
    api.show({"name": name, "removed": True}, lambda item: print_line(f"{item['name']} is removed"))


def _path(name: str) -> str:
    return f"local/{urllib.parse.quote(name, safe='*')}"


_PLACES = {"local": "config key local", "api": "admin API"}


def _print_local(item: Item) -> None:
    answer = f"→ {item['alias']}" if item["alias"] else " ".join(item["addresses"])
    more = "; the API has another one, which is not in force" if item["replaces_api"] else ""
    print_line(f"{item['name']} {answer} ({_PLACES.get(item['where'], item['where'])}{more})")
