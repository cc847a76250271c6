"""Rules for firewalls that leave this resolver as the only one, filled in by a config; works with no server running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from admin_api.firewall.closing import closing_of
from admin_api.firewall.formats import FORMATS
from blocklists.own_networks import own_networks
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.output import print_json, print_lines
from moatdns.cli.reading import load
from resolver.config.addresses import parse_endpoint
from resolver.errors import CatalogueError, RuleError

_MOST_OCTETS: Final = 1 << 20  # of a file of addresses
_MOST_NETWORKS: Final = 10_000

app = typer.Typer()


@app.command("firewall")
def firewall(
    kind: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")],
    config: ConfigOption = None,
    resolver: Annotated[
        list[str] | None,
        typer.Option("--resolver", metavar="IP", help="An address of this resolver (repeatable); default: listen."),
    ] = None,
    clients: Annotated[
        list[str] | None,
        typer.Option(
            "--clients", metavar="NETWORK", help="A network to close in (repeatable); default: clients.allow."
        ),
    ] = None,
    public_resolvers: Annotated[
        bool, typer.Option("--public-resolvers", help="Close port 443 of the known public resolvers, too.")
    ] = False,
    resolvers_file: Annotated[
        Path | None,
        typer.Option("--resolvers-file", metavar="FILE", help="And port 443 of these: an address or network a line."),
    ] = None,
    vendor: Annotated[
        list[str] | None,
        typer.Option("--vendor", metavar="ID", help="Close all networks that this vendor publishes (repeatable)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print firewall rules that close ports 53 and 853 to all but this resolver."""
    form = FORMATS.get(kind)
    if form is None:
        fail(f"{kind!r} is no format: use one of {', '.join(FORMATS)}", code=2)
    _, loaded = load(config)
    listen = loaded.listen
    try:
        known = own_networks()
        public = [one.network for one in known.resolvers] if public_resolvers else []
        closing = closing_of(
            [parse_endpoint(text)[0] for text in (*listen.do53, *listen.dot, *listen.doh)],
            loaded.clients.allow,
            resolvers=resolver or (),
            clients=clients or (),
            public=[*public, *(_read(resolvers_file) if resolvers_file else ())],
            closed=[network for name in vendor or () for network in known.of_vendor(name)],
        )
    except (RuleError, CatalogueError) as error:
        fail(str(error))
    text = form.text(closing)
    if as_json:
        print_json({"format": kind, "rules": text})
        return
    print_lines(text.removesuffix("\n"))


def _read(file: Path) -> list[str]:
    """Addresses and networks of a file; '#' begins a comment. Raises RuleError as `read_network` does."""
    try:
        with file.open("rb") as opened:
            octets = opened.read(_MOST_OCTETS + 1)
        text = octets.decode()
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{file}: is not UTF-8")
    found = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [line for line in found if line]
    if len(octets) > _MOST_OCTETS or len(found) > _MOST_NETWORKS:
        fail(f"{file}: has more than {_MOST_NETWORKS} networks or {_MOST_OCTETS >> 20} MiB")
    return found
