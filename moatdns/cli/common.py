"""Parts that all commands share: options, the config, the policy to speak of, and how they print and fail."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer

from blocklists.loading import load_catalogue
from blocklists.sources import compile_policy, fingerprint_of, known_references
from blocklists.versions import in_force, load_kept
from moatdns.supervisor.state_dir import owner_of
from resolver.config.file_policy import file_policy
from resolver.config.load import find_config, load_config
from resolver.config.schema import Config
from resolver.errors import CatalogueError, ConfigError, MoatdnsError, SnapshotError, SubjectsError
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.snapshot.snapshot_file import SNAPSHOTS, last_good
from resolver.snapshot.subjects_file import newest, subjects_at
from resolver.system.privileges import Account
from resolver.system.safe_text import visible, visible_json, visible_lines

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Left out: $MOATDNS_CONFIG, ./moatdns.yaml, /etc/moatdns/moatdns.yaml, built-in defaults.",
    ),
]
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw]?)\Z")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def load(explicit: str | None) -> tuple[Path | None, Config]:
    """The config file's path, and what is in it; ends with status 1 and its mistakes if it is bad."""
    try:
        path = find_config(explicit, os.environ)
        return path, load_config(path, known_references(load_catalogue()))
    except ConfigError as error:
        fail(*error.problems)


def work_as_owner(config: Config) -> None:
    """As root: become the user whose state directory it is, before anything there is read or written.

    Root would follow what that user has put there, and leave files that the server cannot open.
    """
    if os.geteuid() != 0:
        return
    try:
        owner = owner_of(config.state_dir)
        if owner:
            Account.with_id(owner).take_over()
    except (OSError, MoatdnsError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        fail(f"state_dir: {config.state_dir} cannot be used: {why}")


def policy_of(path: Path | None, config: Config) -> tuple[PolicySnapshot, str]:
    """The policy to explain by and its origin: the snapshot in the state directory, else compiled from `config`."""
    work_as_owner(config)
    plain = config.policy.model_dump(mode="json")
    try:
        catalogue = load_kept(in_force(config.state_dir, review=config.policy.catalogue == "review"))
    except CatalogueError as error:
        fail(str(error))
    try:
        policy, manifest, _ = last_good(config.state_dir / SNAPSHOTS)
    except SnapshotError:
        rules, groups = compile_policy(plain, catalogue)
        return policy_in_memory(rules, groups), "compiled from the config; no snapshot yet"
    policy.revision = manifest.origin.store_revision  # as 'policy history' counts; snapshots have numbers of their own
    what = f"revision {policy.revision}" if policy.revision else f"snapshot {manifest.revision}, made without a store,"
    origin = f"{what} in {config.state_dir}"
    if manifest.fingerprint != fingerprint_of(file_policy(config)[0], catalogue.fingerprint):
        origin += (
            f", which was not made from {path or 'the built-in defaults'}: "
            "name the server's config with --config, or send it SIGHUP if this one has changed since"
        )
    return policy, origin


def subjects_of(config: Config) -> Subjects:
    """The leases, exemptions and pauses to explain by: those of the state directory."""
    journal = newest(config.state_dir)
    if journal is None:
        return Subjects()
    try:
        return subjects_at(journal, None, now())[0]
    except SubjectsError as error:
        fail(str(error))


def seconds_of(text: str, option: str = "--for") -> int:
    """The seconds of a duration; ends with status 2 for what is none."""
    match = _DURATION.match(text.strip())
    if match is None:
        fail(f"{option}: {text!r} is no duration: write '90s', '30m', '8h' or '14d'", code=2)
    return int(match[1]) * _SECONDS[match[2]]


def span_of(seconds: int) -> str:
    """Seconds as people say them: '8 h', '1 d 12 h', '90 s'."""
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def print_line(text: str) -> None:
    """One line on stdout. What is in it may come from anywhere: characters that act are written out."""
    _write(sys.stdout, visible(text))


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """A value as JSON on stdout, which parses as it is and does nothing to a terminal."""
    _write(sys.stdout, visible_json(json.dumps(value, indent=indent)))


def print_lines(text: str) -> None:
    """A document of several lines on stdout, as it is meant to be saved to a file."""
    _write(sys.stdout, visible_lines(text))


def fail(*problems: str, code: int = 1) -> NoReturn:
    """Say what is wrong on stderr, a line a problem, and end with that status."""
    for problem in problems:
        _write(sys.stderr, visible(problem))
    raise typer.Exit(code)


def _write(stream: TextIO, text: str) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # names and texts have letters that a terminal may lack
    stream.write(text + "\n")
