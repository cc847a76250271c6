"""Compare registers of providers with the catalogue: ``python -m blocklists.gather SOURCE…``.

Then, once a person has decided: ``python -m blocklists.gather --accept REVIEW``. Exit status 0: nothing to review, or
all decided. 1: something to review, or not all decided. 2: a mistake, told with file and line; nothing has changed.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from blocklists.gathering.accepting import accept
from blocklists.gathering.comparing import compare
from blocklists.gathering.declined import read_declined
from blocklists.gathering.findings import Comparison
from blocklists.gathering.reading import read_registers
from blocklists.gathering.registers import Register
from blocklists.gathering.review import read_review, review_text
from blocklists.loading import load_catalogue
from resolver.errors import CatalogueError

_BUNDLED: Final = Path(__file__).parent


def main(arguments: list[str] | None = None, today: datetime.date | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if bool(given.accept) is bool(given.sources):
        parser.error("name sources (a register's checkout or file), or --accept REVIEW")
    day = today or datetime.datetime.now(datetime.UTC).date()
    try:
        if given.accept:
            return _accept(given.accept, given.catalogue, day, as_json=given.json)
        return _gather(given.sources, given.catalogue, given.review, day, as_json=given.json)
    except (CatalogueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m blocklists.gather",
        description="Compare registers of providers with the catalogue, and write what differs for review.",
        epilog="SOURCE: a path, behind which may stand ,form= ,name= ,path= ,revision= ,date= (git tells them). "
        "Forms: models.dev's checkout, a client's list of providers in TypeScript, catwalk's JSON, "
        "LiteLLM's JSON, a file of v2fly's data/, AdGuard's services, a table (.tsv). Exit status: 0 nothing new, "
        "1 something to review, 2 a mistake.",
    )
    parser.add_argument("sources", metavar="SOURCE", nargs="*")
    parser.add_argument(
        "--accept", metavar="REVIEW", type=Path, help="bring the decisions of a review into the catalogue"
    )
    parser.add_argument("--review", metavar="FILE", type=Path, default=Path("review.yaml"), help="default: review.yaml")
    parser.add_argument("--catalogue", metavar="FOLDER", type=Path, default=_BUNDLED, help="default: the bundled one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _gather(sources: list[str], folder: Path, review: Path, today: datetime.date, *, as_json: bool) -> int:
    registers = [register for source in sources for register in read_registers(source)]
    comparison = compare(load_catalogue(folder), registers, read_declined(folder))
    if comparison.findings:
        if review.exists() and any(one.decision for one in read_review(review)):
            raise CatalogueError(
                f"{review}: has decisions: bring them in by --accept {review}, or write to another file by --review"
            )
        review.write_text(review_text(comparison, registers, today), encoding="utf-8")
    if as_json:
        sys.stdout.write(_as_json(comparison, registers, review) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _as_text(comparison, registers, review))
    return 1 if comparison.findings else 0


def _as_text(comparison: Comparison, registers: list[Register], review: Path) -> list[str]:
    lines = []
    for register in registers:
        origin = register.provenance
        lines.append(f"{origin.source}, {origin.date}: {len(register.providers)} providers")
    left_out = Counter(one.why.value for one in comparison.left_out)
    lines.append(f"{comparison.known} hosts are covered; left out: {_counts(left_out)}")
    lines += [f"note: {note}" for note in comparison.notes]
    for one in comparison.findings:
        places = ", ".join(dict.fromkeys(seen.register for seen in one.seen_in))
        lines.append(f"{one.change.value:5} {one.host}: {one.vendor}/{one.service} ({places})")
    lines.append(f"to review: {review}" if comparison.findings else "nothing to review")
    return lines


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {why}" for why, count in counts.most_common()) or "nothing"


def _as_json(comparison: Comparison, registers: list[Register], review: Path) -> str:
    plain = {
        "review": str(review) if comparison.findings else None,
        "registers": [
            {**dataclasses.asdict(register.provenance), "providers": len(register.providers)} for register in registers
        ],
        "known": comparison.known,
        "findings": [dataclasses.asdict(one) for one in comparison.findings],
        "left_out": [{**dataclasses.asdict(one), "why": one.why.value} for one in comparison.left_out],
        "notes": comparison.notes,
    }
    return json.dumps(plain, indent=2, default=str)


def _accept(review: Path, folder: Path, today: datetime.date, *, as_json: bool) -> int:
    outcome = accept(read_review(review), folder, today)
    if as_json:
        sys.stdout.write(json.dumps(dataclasses.asdict(outcome), indent=2) + "\n")
    else:
        sys.stdout.write(
            f"{len(outcome.accepted)} accepted, {len(outcome.declined)} declined, {len(outcome.undecided)} undecided\n"
        )
        sys.stdout.writelines(f"changed: {path}\n" for path in outcome.files)
    return 1 if outcome.undecided else 0


if __name__ == "__main__":
    sys.exit(main())
