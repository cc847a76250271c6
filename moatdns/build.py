"""The compiler's process: reads the config, and compiles its policy with the bundled catalogue into a snapshot on disk.

Run by the supervisor as ``python -m moatdns.build FD`` (moatdns.build_messages has what they say to each other).

Started as root, it reads the file as root and nothing else: before it opens what the config names (secrets,
certificates, the state directory) it becomes the user that the config names.

Its memory and its time are nobody else's, and a crash in it leaves the old snapshot in force.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from admin_api.messages import FilePolicy
from blocklists.loading import load_catalogue
from blocklists.sources import base_text, compile_policy, fingerprint_of, known_references
from blocklists.versions import choose, load_kept
from moatdns.build_messages import (
    BUILD_CHANNEL,
    CompilePolicy,
    ConfigProblems,
    MakePlan,
    PolicyCompiled,
    ReadConfig,
)
from moatdns.plan import Ground, NodePlan
from moatdns.planning import ground_of, plan_of, privacy_in_force
from resolver.config.file_policy import file_policy, write_contents
from resolver.config.load import checked, placed, read_document
from resolver.config.places import Document
from resolver.config.schema import Config
from resolver.config.telling import told_of
from resolver.errors import CatalogueError, ConfigError, MoatdnsError
from resolver.snapshot.manifests import Origin
from resolver.snapshot.snapshot_file import write_snapshot
from resolver.system.channel import Refusal
from resolver.system.child_process import work_for_parent
from resolver.system.privileges import Account


class _Build:
    """One config, from its file to its snapshot."""

    def __init__(self) -> None:
        self._bundled = self._catalogue = load_catalogue()
        self._policy: FilePolicy = {}
        self._fingerprint = ""
        self._contents: dict[str, str] = {}
        self._path: Path | None = None
        self._document: Document | None = None
        self._config: Config | None = None

    def read(self, path: Path | None) -> Ground | ConfigProblems:
        """Read a config: its ground, or its mistakes."""
        self._path = path
        try:
            self._document = read_document(self._path)
            _become_its_user(self._document)
            # References are checked against the bundled catalogue, which is the newest.
            self._config = checked(self._path, self._document, known_references(self._bundled))
        except ConfigError as error:
            return ConfigProblems(tuple(error.problems))
        except MoatdnsError as error:
            return ConfigProblems((self._placed(error),))
        return ground_of(self._config)

    def plan(self) -> NodePlan | ConfigProblems:
        """The plan of what was read, or mistakes."""
        config = self._config
        if config is None:
            return ConfigProblems(("no config has been read",))
        try:
            choice = choose(config.state_dir, review=config.policy.catalogue.mode == "review")
            if choice.folder is not None:  # what only the new one knows cannot be named yet
                config = checked(self._path, self._document, known_references(load_kept(choice.folder)))
        except ConfigError as error:
            return ConfigProblems(tuple(error.problems))
        except CatalogueError as error:
            return ConfigProblems((str(error),))
        self._catalogue = load_kept(choice.folder) if choice.folder is not None else self._bundled
        told = told_of(config)
        config, held, held_notes = privacy_in_force(config)
        policy, contents = file_policy(config)
        self._policy = config.policy.model_dump(mode="json")
        self._fingerprint = fingerprint_of(policy, self._catalogue.fingerprint)
        self._contents = {entry["name"]: entry["content"] for entry in policy["lists"] if "content" in entry}
        try:
            write_contents(config.state_dir, contents)
            plan = plan_of(config, policy, self._fingerprint, catalogue=choice)
            plan = replace(plan, told=told, held=held, notes=(*plan.notes, *held_notes))
        except MoatdnsError as error:
            return ConfigProblems((self._placed(error),))
        if plan.certificate_trouble:
            plan = replace(plan, certificate_trouble=placed(self._path, self._document, plan.certificate_trouble))
        return plan

    def _placed(self, error: MoatdnsError) -> str:
        return placed(self._path, self._document, str(error))

    def compile(self, folder: Path) -> PolicyCompiled | Refusal:
        """Compile the policy of what was read."""
        began = time.monotonic()
        try:
            rules, groups = compile_policy(self._policy, self._catalogue)
            origin = Origin(self._fingerprint, base_text(self._contents, self._catalogue.fingerprint))
            manifest = write_snapshot(folder, rules, groups, origin)
        except MoatdnsError as error:
            return Refusal(str(error))
        return PolicyCompiled(manifest.path, manifest.revision, round(time.monotonic() - began, 3))

    def take(self, request: object) -> object:
        """Do what the supervisor asks for."""
        match request:
            case ReadConfig(path):
                return self.read(path)
            case MakePlan():
                return self.plan()
            case CompilePolicy(folder):
                return self.compile(folder)
        return Refusal(f"{type(request).__name__} is no order for the compiler")


def _become_its_user(document: Document | None) -> None:
    """As root: be the user that a config names, if it names one. Raises MoatdnsError."""
    data = document.data if document is not None else None
    user = data.get("user") if isinstance(data, dict) else None
    if os.geteuid() == 0 and user and isinstance(user, str):
        try:
            Account.named(user).take_over()
        except OSError as error:
            raise MoatdnsError(f"user: cannot become {user!r}: {error.strerror or error}") from error


if __name__ == "__main__":
    work_for_parent(BUILD_CHANNEL, _Build().take, terminates=False)
