"""The commands about the catalogue's versions: what a new one changes, and taking it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import typer

from blocklists.feed.kept import accept_held
from blocklists.loading import load_catalogue
from blocklists.versions import Difference, accept, difference, in_force, load_kept
from moatdns.cli import publishing
from moatdns.cli.common import ConfigOption, JsonOption, fail
from moatdns.cli.feed_state import told_of
from moatdns.cli.output import print_json, print_line
from moatdns.cli.reading import load, work_as_owner
from moatdns.supervisor.boot import forget
from resolver.config.schema import Config
from resolver.errors import CatalogueError

_PARTS = ("added", "removed", "moved")  # of a difference

catalogue_app = typer.Typer()
for _command in (publishing.keygen, publishing.build, publishing.sign, publishing.verify):
    catalogue_app.command(_command.__name__)(_command)


@catalogue_app.command("diff")
def diff(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare what waits, bundled and from the feed, with the catalogue in force: exit 0 if nothing waits, else 1."""
    _, loaded = load(config)
    work_as_owner(loaded)
    try:
        found, fed = _waiting(loaded), told_of(loaded)
    except CatalogueError as error:
        fail(str(error))
    if as_json:
        told = found or Difference((), ())
        plain = {"added": told.added, "removed": told.removed, "moved": told.moved}
        print_json({**plain, "feed": fed.to_plain()} if fed else plain, indent=None)
    else:
        print_line("a new catalogue of this version waits:" if found else "the bundled catalogue is in force")
        _print_rules(found)
        for line in fed.lines if fed else ():
            print_line(line)
        _print_rules(fed.change if fed else None)
    if found is not None or (fed is not None and fed.held is not None):
        raise typer.Exit(1)


def _print_rules(change: Difference | None) -> None:
    signs = (("+", change.added), ("-", change.removed), ("~", change.moved)) if change else ()
    for sign, rules in signs:
        for rule in rules:
            print_line(f"{sign} {rule}")


@catalogue_app.command("accept")
def accept_command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Accept what waits. The bundled catalogue takes effect at the next SIGHUP or start; the feed's within seconds."""
    _, loaded = load(config)
    work_as_owner(loaded)
    try:
        found, fed = _waiting(loaded), told_of(loaded)
    except CatalogueError:
        found, fed = None, None  # a copy that cannot be used is replaced just the same
    held = fed.held if fed is not None else None
    if found is not None or held is not None:
        change = Difference(*(tuple(_both(part, found, fed.change if fed else None)) for part in _PARTS))
        # Loaded here alone: it takes others a quarter of a second. Before it is done: what cannot be told is not done.
        store_commands = importlib.import_module("moatdns.cli.store")
        store_commands.note_accepted(loaded, {part: list(getattr(change, part))[:100] for part in _PARTS})
    try:
        accept(loaded.state_dir)
        if held is not None:
            accept_held(loaded.state_dir, held.digest)
        forget(loaded.state_dir)
    except OSError as error:
        fail(f"{error.filename or loaded.state_dir}: cannot be written: {error.strerror or error}")
    if as_json:
        accepted = {"accepted": found is not None}
        print_json({**accepted, "feed": held.version.number if held else None} if fed else accepted, indent=None)
        return
    if found is not None:
        print_line(f"accepted ({found}); send SIGHUP to put it in force")
    elif held is None:
        print_line("the bundled catalogue is already in force")
    if held is not None:
        print_line(f"accepted {held.version} from the feed; a running server takes it within seconds")


def _both(part: str, *changes: Difference | None) -> Iterator[str]:
    for change in changes:
        if change is not None:
            yield from getattr(change, part)


def _waiting(config: Config) -> Difference | None:
    folder = in_force(config.state_dir, review=config.policy.catalogue.mode == "review")
    return difference(load_kept(folder), load_catalogue()) if folder is not None else None
