"""Commands on the cache. They call the admin API of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from moatdns.cli.api_client import DEFAULT_URL, ApiClient, CaOption, TokenFileOption, UrlOption
from moatdns.cli.common import JsonOption, print_json, print_line

cache_app = typer.Typer(help="The cache of answers.", no_args_is_help=True)


@cache_app.callback()
def _cache() -> None:
    """Keep `flush` a command of its own, though it is the only one."""


@cache_app.command("flush")
def flush(
    name: Annotated[str | None, typer.Argument(help="The name to forget. Left out: everything.")] = None,
    only: Annotated[bool, typer.Option("--only", help="This name alone, and not what is below it.")] = False,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    ca: CaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget cached answers, so that upstreams are asked again."""
    body = {"name": name, "below": not only}
    found = ApiClient(url, token_file, ca).call("POST", "cache:flush", body).body
    if as_json:
        print_json(found, indent=None)
    else:
        print_line(f"{found['forgotten']} answers forgotten")
