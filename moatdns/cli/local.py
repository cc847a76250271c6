"""Commands on local names. They call the admin API of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from moatdns.cli.api_client import ApiClient, Item, api_command
from moatdns.cli.output import print_line

local_app = typer.Typer()


@api_command(local_app, "list")
def list_local(
    api: ApiClient,
    contains: Annotated[
        str | None, typer.Option("--contains", metavar="TEXT", help="A text in the name, an address or alias.")
    ] = None,
) -> None:
    """List local names, with what each is answered with and where it was given."""
    api.show_all(list(api.items("local", contains=contains)), _print_local)


def _print_local(item: Item) -> None:
    answer = f"→ {item['alias']}" if item["alias"] else " ".join(item["addresses"])
    print_line(f"{item['name']} {answer} ({'config key local' if item['where'] == 'local' else item['where']})")
