"""Decisions of a person, brought into the catalogue: all of it, or nothing where the result would be wrong."""

from __future__ import annotations

import datetime
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blocklists.catalogue import Catalogue
from blocklists.coverage import Coverage
from blocklists.data_files import KINDS
from blocklists.gathering.declined import FILE, DeclinedFinding, declined_text, read_declined
from blocklists.gathering.findings import RegisterChange
from blocklists.gathering.registers import read_text
from blocklists.gathering.review import DecidedFinding
from blocklists.gathering.yaml_edit import add_entry, add_service, entry_line, remove_entry, scalar
from blocklists.lint import mistakes, notes
from blocklists.loading import load_catalogue
from resolver.errors import CatalogueError, RuleError

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_SETS: Final = ("ai", "clouds", "bypass")


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """Result of accepting: names by what became of them, and files that changed, as ``resellers/acme.yaml``.

    `known` are hosts that a rule covers already, since an earlier review or the line above.
    """

    accepted: tuple[str, ...]
    known: tuple[str, ...]
    declined: tuple[str, ...]
    undecided: tuple[str, ...]
    files: tuple[str, ...]


def accept(decided: Iterable[DecidedFinding], folder: Path, today: datetime.date) -> ReviewOutcome:
    """Bring decisions into the catalogue in `folder`. Raises CatalogueError, and then nothing has changed.

    The loader and the lint have to accept the result, and each rule has to cover the host that it is for.
    """
    all_ = list(decided)
    declined = [one for one in all_ if one.decision == "decline"]
    editing = _Editing(folder)
    before = Coverage(editing.catalogue, _SETS)
    wanted = [one for one in all_ if one.decision == "accept"]
    known = [one for one in wanted if one.change is not RegisterChange.GONE and _is_covered(before, one)]
    accepted = [one for one in wanted if one not in known]
    for one in accepted:
        try:
            editing.take_up(one)
        except CatalogueError as error:
            raise CatalogueError(f"{one.at}: {error}") from error
    if declined:
        rows = [*read_declined(folder), *(_row(one, today) for one in declined)]
        editing.texts[FILE] = declined_text(rows)
    _check(editing, accepted)
    for path, text in editing.texts.items():
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
    return ReviewOutcome(
        tuple(one.host for one in accepted),
        tuple(one.host for one in known),
        tuple(one.host for one in declined),
        tuple(one.host for one in all_ if not one.decision),
        tuple(sorted(editing.texts)),
    )


def _row(one: DecidedFinding, today: datetime.date) -> DeclinedFinding:
    name = f"{one.rule} {one.vendor}/{one.service}" if one.change is RegisterChange.GONE else one.host
    why = " ".join(one.why.split())
    return DeclinedFinding(name, one.change, today, one.seen_in[0].register, why)


class _Editing:
    """Texts of files that change, by their path in the folder."""

    def __init__(self, folder: Path) -> None:
        self.texts: dict[str, str] = {}
        self.folder = folder
        self.catalogue = load_catalogue(folder)

    def take_up(self, one: DecidedFinding) -> None:
        """Edit the file that a decision is about. Raises CatalogueError."""
        path = self._path_of(one)
        if one.change is RegisterChange.GONE:
            self.texts[path] = remove_entry(path, self._text(path), one.rule, one.service)
            return
        if path not in self.texts and not (self.folder / path).exists():
            self.texts[path] = _new_file(one)
            return
        text = self._text(path)
        services = self.catalogue.services_of(one.vendor)
        if services and f"{one.vendor}/{one.service}" not in services:
            raise CatalogueError(f"service: no {one.service!r} of {one.vendor} in the catalogue: {', '.join(services)}")
        if not services and not _has_service(text, one.service):  # the file is new
            text = add_service(path, text, one.service, _about(one))
        self.texts[path] = add_entry(path, text, _entry(one))

    def _path_of(self, one: DecidedFinding) -> str:
        known = self.catalogue.about.get(one.vendor)
        if known is None and not _ID.match(one.vendor):  # it is to be a file's name
            raise CatalogueError(f"vendor: {one.vendor!r} cannot name a vendor: lower-case letters, digits and '-' can")
        if known is None:
            if one.change is not RegisterChange.NEW:
                raise CatalogueError(f"vendor: no {one.vendor!r} in the catalogue")
            return f"{one.folder}/{one.vendor}.yaml"
        for folder, kind in KINDS.items():
            if kind == known.kind and (self.folder / folder / f"{one.vendor}.yaml").exists():
                return f"{folder}/{one.vendor}.yaml"
        return f"{known.kind}/{one.service}.yaml"  # ways round the resolver: a file a service

    def _text(self, path: str) -> str:
        return self.texts[path] if path in self.texts else read_text(self.folder / path, path)


def _check(editing: _Editing, accepted: list[DecidedFinding]) -> None:
    """Load and lint the catalogue as it would be. Raises CatalogueError."""
    with tempfile.TemporaryDirectory(prefix="catalogue-") as name:
        trial = Path(name)
        for folder in KINDS:
            if (editing.folder / folder).is_dir():
                shutil.copytree(editing.folder / folder, trial / folder)
        for path, text in editing.texts.items():
            (trial / path).parent.mkdir(exist_ok=True)
            (trial / path).write_text(text, encoding="utf-8")
        catalogue = load_catalogue(trial)
    before = set(_faults(editing.catalogue))
    if found := [fault for fault in _faults(catalogue) if fault not in before]:
        raise CatalogueError("; ".join(found[:5]))
    coverage = Coverage(catalogue, _SETS)
    for one in accepted:
        if one.change is not RegisterChange.GONE and not _is_covered(coverage, one):
            raise CatalogueError(f"{one.at}: rule: {one.rule!r} does not cover {one.host}")


def _faults(catalogue: Catalogue) -> Iterator[str]:
    yield from mistakes(catalogue)
    yield from (note for note in notes(catalogue) if note.endswith("says the same of it"))


def _is_covered(coverage: Coverage, one: DecidedFinding) -> bool:
    try:
        return coverage.of(one.host) is not None
    except RuleError as error:
        raise CatalogueError(f"{one.at}: host: {error}") from error


def _has_service(text: str, service: str) -> bool:
    return any(line.startswith(f"  {service}:") for line in text.splitlines())


def _about(one: DecidedFinding) -> dict[str, object]:
    return {"name": one.name or one.vendor, "description": "models by API", "kind": one.kind}


def _entry(one: DecidedFinding) -> dict[str, object]:
    """The entry, with the sources that a person can look it up in; the owner's own first, the newest date."""
    sources = list(dict.fromkeys([one.confirmed, *(seen.source for seen in one.seen_in)] if one.confirmed else
                                 [seen.source for seen in one.seen_in]))  # fmt: skip
    entry: dict[str, object] = {"rule": one.rule, "service": one.service, "surface": one.surface}
    entry |= {"source": "; ".join(sources), "seen": max(seen.date for seen in one.seen_in)}
    if one.name and one.name != one.vendor:
        entry["note"] = one.name
    return entry


def _new_file(one: DecidedFinding) -> str:
    told = ", ".join(f"{key}: {scalar(value)}" for key, value in _about(one).items())
    return (
        f"# {' '.join((one.name or one.vendor).split())}, found in the register {one.seen_in[0].register}.\n"
        f"vendor: {scalar(one.vendor)}\nname: {scalar(one.name or one.vendor)}\n\n"
        f"services:\n  {one.service}: {{{told}}}\n\ndomains:\n{entry_line(_entry(one))}\n"
    )
