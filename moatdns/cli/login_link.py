"""Print a link that signs in to the web pages once. It works on the store, with or without a running server."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer

from admin_api.store.login_links import make_link
from admin_api.store.store import Store
from admin_api.store.tokens import TokenRow
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load
from moatdns.cli.store import ACTOR, who_runs_this, with_store
from resolver.config.addresses import parse_endpoint
from resolver.config.schema import Config
from resolver.config.subscription import read_base_url
from resolver.config.to_settings import has_login_links
from resolver.errors import RuleError

app = typer.Typer()

_OF_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (listens on all addresses: one of them)


@app.callback()
def _commands() -> None:
    pass  # one command alone would be no group


@app.command("login-link")
def login_link(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The address of the pages for a browser elsewhere; default: admin.url, else this machine alone.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a link that signs in to the web pages once, within ten minutes, as whoever has the first token."""
    _, loaded = load(config)
    if loaded.admin.listen is None:
        fail("admin.listen is null: there are no web pages to sign in to")
    if not has_login_links(loaded):
        off = "login.oidc.issuer is set" if loaded.login.oidc.issuer is not None else "admin.login_links"
        fail(f"links sign nobody in here: the config turns them off ({off})")
    try:
        base = loaded.admin.url if url is None else read_base_url(url)
    except RuleError as error:
        fail(f"--url: {error}", code=2)

    async def make(store: Store) -> tuple[TokenRow, str]:
        async with store.change(ACTOR) as change:
            return await make_link(change, is_for_here=base is None, by=who_runs_this())

    row, text = with_store(loaded, make)
    link = f"{(base or _here(loaded)).rstrip('/')}/login/link#{text}"
    if as_json and row.expires_at is not None:
        until = row.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        print_json({"url": link, "expires_at": until, "only_from_here": base is None}, indent=None)
    else:
        print_line(link)


def _here(config: Config) -> str:
    """The address of the pages for a browser on this machine."""
    host, port = parse_endpoint(config.admin.listen or "")
    host = _OF_ALL.get(host, host)
    scheme = "https" if config.admin.tls.certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
