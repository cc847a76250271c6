"""The config, policy and subjects that a command works with: those of the server of that config."""

from __future__ import annotations

import os
from pathlib import Path

from blocklists.loading import load_catalogue
from blocklists.sources import compile_policy, fingerprint_of, known_references
from blocklists.versions import in_force, load_kept
from moatdns.cli.common import fail
from moatdns.supervisor.own_process import held_state
from moatdns.supervisor.state_dir import owner_of
from resolver.config.file_policy import file_policy
from resolver.config.finding import find_config
from resolver.config.load import load_config
from resolver.config.schema import Config
from resolver.errors import CatalogueError, ConfigError, MoatdnsError, SnapshotError, SubjectsError
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.snapshot.journal_places import newest
from resolver.snapshot.manifests import SNAPSHOTS
from resolver.snapshot.snapshot_file import last_good
from resolver.snapshot.subjects_file import subjects_at
from resolver.system.placing import READY
from resolver.system.privileges import Account


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
    account = owner_account(config)
    try:
        if account is not None:
            account.take_over()
        if (config.state_dir / READY).exists():
            with held_state(config.state_dir):  # which finishes it
                pass
    except (OSError, MoatdnsError) as error:
        fail(f"state_dir: {config.state_dir} cannot be used: {error.strerror if isinstance(error, OSError) else error}")


def owner_account(config: Config) -> Account | None:
    """The user whose state directory it is, where root is to become that one; ends with status 1 for a planted link."""
    if os.geteuid() != 0:
        return None
    try:
        owner = owner_of(config.state_dir)
        return Account.with_id(owner) if owner else None
    except (OSError, MoatdnsError) as error:
        fail(f"state_dir: {config.state_dir} cannot be used: {error.strerror if isinstance(error, OSError) else error}")


def policy_of(path: Path | None, config: Config) -> tuple[PolicySnapshot, str]:
    """The policy to explain by and its origin: the snapshot in the state directory, else compiled from `config`."""
    work_as_owner(config)
    plain = config.policy.model_dump(mode="json")
    try:
        catalogue = load_kept(in_force(config.state_dir, review=config.policy.catalogue.mode == "review"))
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
