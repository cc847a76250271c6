"""Commands on the cache. They call the admin API of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from moatdns.cli.api_client import ApiClient, Item, api_command
from moatdns.cli.output import print_line

cache_app = typer.Typer()


@api_command(cache_app, "flush")
def flush(
    api: ApiClient,
    name: Annotated[str | None, typer.Argument(help="The name to remove. Default: all names.")] = None,
    only: Annotated[bool, typer.Option("--only", help="This name only, not the names below it.")] = False,
) -> None:
    """Remove cached answers, so that upstreams are asked again."""
    body = {"name": name, "below": not only}
    api.show(api.call("POST", "cache:flush", body).body, _print, indent=None)


def _print(found: Item) -> None:
    print_line(f"{found['forgotten']} answers removed")
