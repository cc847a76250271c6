"""How complete the catalogue is, by samples of names: ``python -m blocklists.recall [--json]``.

The samples are in ``blocklists/samples/``. They measure; no rule is made from them by a program. Exit status 0, or 2
for a mistake in a sample.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blocklists.catalogue import Catalogue
from blocklists.coverage import Coverage
from blocklists.loading import load_catalogue
from resolver.errors import CatalogueError, RuleError

SETS: Final = ("ai", "clouds", "bypass")
"""The sets that recall is measured against: all that a group can block."""

_FOLDER = Path(__file__).parent / "samples"
_MOST_NAMES = 20_000  # of one sample: more is no sample


@dataclass(frozen=True, slots=True)
class Sample:
    """Names from one kind of place, gathered at one date."""

    id: str
    told: str
    file: str
    date: str


SAMPLES: Final = (
    Sample("A", "vendors' documents and the sources of clients", "fresh-2026-11.tsv", "2026-11-26"),
    Sample("B", "clients' registers of providers, names that were new", "fresh-2026-11.tsv", "2026-11-26"),
    Sample("C", "third-party lists only: not all of them are AI services", "fresh-2026-11.tsv", "2026-11-26"),
    Sample("T", "looked for by kind of product", "fresh-2026-11.tsv", "2026-11-26"),
    Sample("models.dev", "all hosts of the register models.dev", "registers-2026-08.tsv", "2026-07-02"),
    Sample("cline", "all hosts of Cline's register", "registers-2026-08.tsv", "2026-08-22"),
    Sample("catwalk", "all hosts of Crush's register", "registers-2026-08.tsv", "2026-08-21"),
)


@dataclass(frozen=True, slots=True)
class Recall:
    """How many names of a sample the catalogue knows, and those that it does not."""

    sample: Sample
    names: int
    missing: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Part of the names that is known, in percent."""
        return 100 * (self.names - len(self.missing)) / self.names


def recall(catalogue: Catalogue, samples: Iterable[Sample] = SAMPLES, folder: Path = _FOLDER) -> list[Recall]:
    """Recall of the catalogue by each sample. Raises CatalogueError for a sample that cannot be read."""
    coverage = Coverage(catalogue, SETS)
    found = []
    for sample in samples:
        names = _names(folder / sample.file, sample.id)
        try:
            missing = tuple(name for name in names if coverage.of(name) is None)
        except RuleError as error:
            raise CatalogueError(f"{folder / sample.file}: {error}") from error
        found.append(Recall(sample, len(names), missing))
    return found


def _names(path: Path, sample: str) -> list[str]:
    """The names of one sample in a file of several."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: the sample cannot be read: {error}") from error
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if bad := next((number for number, row in rows if len(row) < 3), None):
        raise CatalogueError(f"{path}: line {bad}: expected a name, its sample and whose it is, with tabs between")
    names = [row[0] for _, row in rows if row[1] == sample]
    if not 0 < len(names) <= _MOST_NAMES:
        raise CatalogueError(f"{path}: {len(names)} names of the sample {sample!r}: expected 1 to {_MOST_NAMES}")
    return names


def main(arguments: list[str] | None = None) -> int:
    """Print recall by sample, with the names that are missing, and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if unknown := [word for word in given if word != "--json"]:
        sys.stderr.write(f"{unknown[0]}: unknown; the command takes --json and nothing else\n")
        return 2
    try:
        found = recall(load_catalogue())
    except CatalogueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given:
        plain = [
            {"sample": one.sample.id, "file": one.sample.file, "date": one.sample.date, "names": one.names,
             "percent": round(one.percent, 1), "missing": one.missing}
            for one in found
        ]  # fmt: skip
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
        return 0
    for one in found:
        known = one.names - len(one.missing)
        sys.stdout.write(f"{one.sample.id}: {known} of {one.names} ({one.percent:.1f} %), {one.sample.told}\n")
        sys.stdout.writelines(f"  missing: {name}\n" for name in one.missing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
