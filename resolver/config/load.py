"""Read the config file, and report every mistake with its place. The only module here that opens it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from resolver.config.environment import fill_in
from resolver.config.local_files import circles, read_local_names
from resolver.config.mistakes import sentences
from resolver.config.places import Document, FileProblem, read_yaml
from resolver.config.references import KnownReferences, contradictions
from resolver.config.schema import Config
from resolver.config.wording import KeyPath, path_text, shown
from resolver.config.written_secrets import written_out
from resolver.errors import ConfigError

_MOST_BYTES = 64 << 20
_KEY = re.compile(r"[a-z0-9_]+(?:\[[0-9]+\])?(?:\.[a-z0-9_]+(?:\[[0-9]+\])?)*\Z")
_LONGEST_LINE = 1000  # characters of one problem


def load_config(
    path: Path | None, known: KnownReferences | None = None, environ: Mapping[str, str] = os.environ
) -> Config:
    """Read the configuration at `path`; None gives the built-in defaults.

    `known` is what the catalogue holds; without it, references to vendors and services are taken as they stand.
    Raises ConfigError with every mistake as ``FILE:LINE: key.path: what is wrong, how to mend it``, by line.
    """
    return checked(path, read_document(path, environ), known)


def read_document(path: Path | None, environ: Mapping[str, str] = os.environ) -> Document | None:
    """Read the file without checking it; opens no other file. None for the built-in defaults. Raises ConfigError."""
    return None if path is None else read_yaml(_read(path), lambda text: fill_in(text, environ))


def checked(path: Path | None, document: Document | None, known: KnownReferences | None = None) -> Config:
    """The configuration that a file holds. Raises ConfigError as `load_config` does."""
    if path is None or document is None:
        return Config().placed(None)
    config, problems = _check(document, known)
    if config is None or problems:
        raise ConfigError([_line(path, problem) for problem in sorted(problems, key=lambda problem: problem.line)])
    return _with_local_names(config.placed(path), path, document)


def _with_local_names(config: Config, path: Path, document: Document) -> Config:
    """The config with its hosts files read. Raises ConfigError."""
    try:
        names = read_local_names(config.local, config.local_files, config.folder)
    except ConfigError as error:
        raise ConfigError([placed(path, document, problem) for problem in error.problems]) from error
    wrong = [
        FileProblem(document.places.line_of(("local", endless.name)), ("local", endless.name), endless.text)
        for endless in circles(names.records)
    ]
    if wrong:
        raise ConfigError([_line(path, problem) for problem in sorted(wrong, key=lambda problem: problem.line)])
    return config.with_local_names(names)


def placed(path: Path | None, document: Document | None, text: str) -> str:
    """A mistake that begins with its key, as in ``tls.certificate: …``, with the file and the line before it."""
    key = text.partition(": ")[0]
    if path is None or document is None or not document.readable or not _KEY.match(key):
        return text
    keys = (int(part) if part.isdigit() else part for part in key.replace("]", "").replace("[", ".").split("."))
    return f"{path}:{document.places.line_of(tuple(keys))}: {text}"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except ValueError as error:  # a NUL in the path
        raise ConfigError([f"{shown(str(path))}: cannot be read: {error}"]) from error
    if len(raw) > _MOST_BYTES:
        raise ConfigError([f"{path}: is larger than {_MOST_BYTES >> 20} MiB, the most for a config file"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: this line is not UTF-8: save the file as UTF-8"]) from error


def _check(document: Document, known: KnownReferences | None) -> tuple[Config | None, list[FileProblem]]:
    problems = list(document.problems)
    if not document.readable:
        return None, problems
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        problems.append(
            FileProblem(1, (), f"the file should contain keys with values, as in 'workers: 2', and is {shown(data)}")
        )
        return None, problems
    config = None
    found: list[tuple[KeyPath, str]] = []
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        found += sentences(error, Config)
    found += contradictions(data.get("policy"), known, at=("policy",))
    found += written_out(data, document.filled)
    hidden = {problem.path for problem in problems if problem.hides_value}
    problems += [
        FileProblem(document.places.line_of(path), path, text)
        for path, text in found
        if not any(path[:length] in hidden for length in range(1, len(path) + 1))
    ]
    return config, problems


def _line(path: Path, problem: FileProblem) -> str:
    key_path = f" {path_text(problem.path)}:" if problem.path else ""
    line = f"{path}:{problem.line}:{key_path} {problem.text}"
    line = " ".join(line.splitlines())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
