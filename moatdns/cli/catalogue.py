"""The commands about the catalogue's versions: what a new one changes, and taking it."""

from __future__ import annotations

import importlib

import typer

from blocklists.loading import load_catalogue
from blocklists.versions import Difference, accept, difference, in_force, load_kept
from moatdns.cli import publishing
from moatdns.cli.common import ConfigOption, JsonOption, fail, print_json, print_line
from moatdns.cli.reading import load, work_as_owner
from moatdns.supervisor.boot import forget
from resolver.config.schema import Config
from resolver.errors import CatalogueError

catalogue_app = typer.Typer()
for _command in (publishing.keygen, publishing.build, publishing.sign, publishing.verify):
    catalogue_app.command(_command.__name__)(_command)


@catalogue_app.command("diff")
def diff(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare the bundled catalogue with the one in force: exit 0 if equal, 1 if it waits."""
    _, loaded = load(config)
    work_as_owner(loaded)
    try:
        found = _waiting(loaded)
    except CatalogueError as error:
        fail(str(error))
    if as_json:
        print_json({"added": found.added if found else [], "removed": found.removed if found else []}, indent=None)
    elif found is None:
        print_line("the bundled catalogue is in force")
    else:
        for sign, rules in (("+", found.added), ("-", found.removed)):
            for rule in rules:
                print_line(f"{sign} {rule}")
    if found is not None:
        raise typer.Exit(1)


@catalogue_app.command("accept")
def accept_command(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Accept the bundled catalogue; it takes effect at the next SIGHUP or start."""
    _, loaded = load(config)
    work_as_owner(loaded)
    try:
        found = _waiting(loaded)
    except CatalogueError:
        found = None  # a copy that cannot be used is replaced just the same
    if found is not None:
        # Loaded here alone: it takes others a quarter of a second. Before it is done: what cannot be told is not done.
        store_commands = importlib.import_module("moatdns.cli.store")
        store_commands.note_accepted(loaded, {"added": list(found.added)[:100], "removed": list(found.removed)[:100]})
    try:
        accept(loaded.state_dir)
        forget(loaded.state_dir)
    except OSError as error:
        fail(f"{error.filename or loaded.state_dir}: cannot be written: {error.strerror or error}")
    if as_json:
        print_json({"accepted": found is not None}, indent=None)
    elif found is None:
        print_line("the bundled catalogue is already in force")
    else:
        print_line(f"accepted ({found}); send SIGHUP to put it in force")


def _waiting(config: Config) -> Difference | None:
    folder = in_force(config.state_dir, review=config.policy.catalogue.mode == "review")
    return difference(load_kept(folder), load_catalogue()) if folder is not None else None
