"""Versions of the catalogue: the bundled one, or the one before, until somebody has looked at the new.

A copy of the catalogue that is in force stands in ``state_dir/catalogue/FINGERPRINT/``. When a new version of moatdns
brings another, the difference is told; with ``policy.catalogue: review`` the copy goes on, until `accept`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blocklists.catalogue import KINDS_OF_SET, Catalogue
from blocklists.data_files import VERSION, catalogue_fingerprint, catalogue_version, data_files
from blocklists.loading import load_catalogue
from resolver.errors import CatalogueError
from resolver.system.state_files import make_folder, write_whole

FOLDER: Final = "catalogue"
"""The folder of the copy, below state_dir."""

_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of a version to another: rules with their service, and services that came into a set, or left it."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{len(some)} {thing}{'' if len(some) == 1 else 's'} {what}: {', '.join(some[:_MOST_TOLD])}"
            + (f" and {len(some) - _MOST_TOLD} more" if len(some) > _MOST_TOLD else "")
            for some, thing, what in (
                (self.added, "name", "added"),
                (self.removed, "name", "removed"),
                (self.moved, "service", "moved"),
            )
            if some
        ]
        return "; ".join(parts) or "no name added or removed, other facts changed"


@dataclass(frozen=True, slots=True)
class CatalogueChoice:
    """`folder` is where the catalogue in force is; None: the bundled one. `news` is how the bundled one differs."""

    folder: Path | None = None
    news: Difference | None = None


def choose(state_dir: Path, *, review: bool) -> CatalogueChoice:
    """The catalogue to use. A first start, and without review each, keeps a copy of the bundled one.

    Raises CatalogueError for a copy that cannot be used, with `review`: without, it is there for the news alone.
    """
    try:
        copy = _copy(state_dir)
        if copy is None:
            accept(state_dir)
            return CatalogueChoice()
        if copy.name == catalogue_fingerprint():
            accept(state_dir)  # for the day when another version holds it back: whole by then, too
            return CatalogueChoice()
        news = difference(load_kept(copy), load_catalogue())
        if review:
            return CatalogueChoice(copy, news)
        accept(state_dir)
    except (OSError, CatalogueError) as error:
        if review:
            raise CatalogueError(
                f"policy.catalogue is 'review', and the copy in {state_dir / FOLDER} cannot be used: {error}"
            ) from error
        with contextlib.suppress(OSError):
            accept(state_dir)
        return CatalogueChoice()
    return CatalogueChoice(None, news)


def load_kept(folder: Path | None) -> Catalogue:
    """The chosen catalogue. A copy is checked by the fingerprint that it is called by. Raises CatalogueError."""
    return load_catalogue(folder, folder.name) if folder is not None else load_catalogue()


def in_force(state_dir: Path, *, review: bool) -> Path | None:
    """The folder that `choose` would give, without changing anything."""
    copy = _copy(state_dir) if review else None
    return copy if copy is not None and copy.name != catalogue_fingerprint() else None


def accept(state_dir: Path) -> None:
    """Make the bundled catalogue the one in force, from the next reading of the config on. Raises OSError."""
    folder = state_dir / FOLDER
    make_folder(folder)
    wanted = folder / catalogue_fingerprint()
    if not _is_whole(wanted):
        shutil.rmtree(wanted, ignore_errors=True)
        part = folder / f"{os.getpid()}.part"
        shutil.rmtree(part, ignore_errors=True)
        for name, content in data_files(None):
            path = part / name
            make_folder(path.parent)
            write_whole(path, content)
        write_whole(part / VERSION, b"%d\n" % catalogue_version())
        part.rename(wanted)
    for other in folder.iterdir():
        if other != wanted:
            shutil.rmtree(other, ignore_errors=True)


def _is_whole(copy: Path) -> bool:
    """Whether what is in a copy is what was written there."""
    try:
        return catalogue_fingerprint(copy) == copy.name
    except CatalogueError:
        return False


def difference(before: Catalogue, after: Catalogue) -> Difference:
    """The difference between the rules in force, and between what sets have in them."""
    had = {f"{domain.rule.text} ({domain.service})" for domain in before.every_domain}
    have = {f"{domain.rule.text} ({domain.service})" for domain in after.every_domain}
    return Difference(tuple(sorted(have - had)), tuple(sorted(had - have)), tuple(_moves(before, after)))


def _moves(before: Catalogue, after: Catalogue) -> Iterator[str]:
    """Services of both that are in a set of one and not of the other; sets that only one of them has are left out."""
    both = before.services.keys() & after.services.keys()
    for name in KINDS_OF_SET:
        was, is_now = ({*catalogue.services_of(name)} for catalogue in (before, after))
        if was and is_now:
            yield from (f"{service} (now in {name})" for service in sorted((is_now - was) & both))
            yield from (f"{service} (no longer in {name})" for service in sorted((was - is_now) & both))


def _copy(state_dir: Path) -> Path | None:
    folder = state_dir / FOLDER
    if folder.is_symlink():
        raise CatalogueError(f"{folder} is a symbolic link, which is not followed: remove it")
    if not folder.is_dir():
        return None
    found = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and path.suffix != ".part"]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)
