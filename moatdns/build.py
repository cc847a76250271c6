"""The compiler's process: reads the config, and compiles its policy with the bundled catalogue into a snapshot on disk.

Run by the supervisor as ``python -m moatdns.build``. Lines of JSON on stdin and stdout:

* ``{"read": PATH | null}`` → ``{"ground": …}`` or ``{"problems": […]}``: touches nothing but the config
* ``{"plan": true}`` → ``{"plan": …}`` or ``{"problems": […]}``, of what was read; writes to the state directory
* ``{"compile": FOLDER}`` → ``{"manifest", "revision", "seconds"}`` or ``{"error"}``

Started as root, it reads the file as root and nothing else: before it opens what the config names (secrets,
certificates, the state directory) it becomes the user that the config names.

Its memory and its time are nobody else's, and a crash in it leaves the old snapshot in force.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from blocklists.loading import load_catalogue
from blocklists.sources import base_text, compile_policy, fingerprint_of, known_references
from blocklists.versions import choose, load_kept
from moatdns.planning import ground_of, plan_of
from resolver.config.file_policy import file_policy, write_contents
from resolver.config.load import checked, placed, read_document
from resolver.config.places import Document
from resolver.config.schema import Config
from resolver.errors import CatalogueError, ConfigError, MoatdnsError
from resolver.snapshot.snapshot_file import Origin, write_snapshot
from resolver.system.privileges import Account

_NICE = 10  # serving comes first


class _Build:
    """One config, from its file to its snapshot."""

    def __init__(self) -> None:
        self._bundled = self._catalogue = load_catalogue()
        self._policy: dict[str, Any] = {}
        self._fingerprint = ""
        self._contents: dict[str, str] = {}
        self._path: Path | None = None
        self._document: Document | None = None
        self._config: Config | None = None

    def read(self, path: str | None) -> dict[str, Any]:
        """Read a config: where it stands, or its mistakes."""
        self._path = Path(path) if path else None
        try:
            self._document = read_document(self._path)
            _become_its_user(self._document)
            # References are checked against the bundled catalogue, which is the newest.
            self._config = checked(self._path, self._document, known_references(self._bundled))
        except ConfigError as error:
            return {"problems": error.problems}
        except MoatdnsError as error:
            return {"problems": [self._placed(error)]}
        return {"ground": ground_of(self._config).to_plain()}

    def plan(self) -> dict[str, Any]:
        """The plan of what was read, or mistakes."""
        config = self._config
        if config is None:
            return {"problems": ["no config has been read"]}
        try:
            choice = choose(config.state_dir, review=config.policy.catalogue == "review")
            if choice.folder is not None:  # what only the new one knows cannot be named yet
                config = checked(self._path, self._document, known_references(load_kept(choice.folder)))
        except ConfigError as error:
            return {"problems": error.problems}
        except CatalogueError as error:
            return {"problems": [str(error)]}
        self._catalogue = load_kept(choice.folder) if choice.folder is not None else self._bundled
        policy, contents = file_policy(config)
        self._policy = config.policy.model_dump(mode="json")
        self._fingerprint = fingerprint_of(policy, self._catalogue.fingerprint)
        self._contents = {entry["name"]: entry["content"] for entry in policy["lists"] if "content" in entry}
        try:
            write_contents(config.state_dir, contents)
            plan = plan_of(config, policy, self._fingerprint, catalogue=choice)
        except MoatdnsError as error:
            return {"problems": [self._placed(error)]}
        if plan.certificate_trouble:
            plan = replace(plan, certificate_trouble=placed(self._path, self._document, plan.certificate_trouble))
        return {"plan": plan.to_plain()}

    def _placed(self, error: MoatdnsError) -> str:
        return placed(self._path, self._document, str(error))

    def compile(self, folder: str) -> dict[str, Any]:
        """Compile the policy of what was read."""
        began = time.monotonic()
        try:
            rules, groups = compile_policy(self._policy, self._catalogue)
            origin = Origin(self._fingerprint, base_text(self._contents, self._catalogue.fingerprint))
            manifest = write_snapshot(Path(folder), rules, groups, origin)
        except MoatdnsError as error:
            return {"error": str(error)}
        seconds = round(time.monotonic() - began, 3)
        return {"manifest": str(manifest.path), "revision": manifest.revision, "seconds": seconds}


def _become_its_user(document: Document | None) -> None:
    """As root: be the user that a config names, if it names one. Raises MoatdnsError."""
    data = document.data if document is not None else None
    user = data.get("user") if isinstance(data, dict) else None
    if os.geteuid() == 0 and user and isinstance(user, str):
        try:
            Account.named(user).take_over()
        except OSError as error:
            raise MoatdnsError(f"user: cannot become {user!r}: {error.strerror or error}") from error


def main() -> None:
    """Obey the supervisor, order by order, until it closes the channel."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal sends them to all; the supervisor decides
    os.nice(_NICE)
    gc.disable()  # a million rules make no cycles, and the process ends soon
    build = _Build()
    for line in sys.stdin:
        order = json.loads(line)
        if "read" in order:
            outcome = build.read(order["read"])
        else:
            outcome = build.compile(order["compile"]) if "compile" in order else build.plan()
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
