"""The result as a table for people and as plain data for JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prove.figures import Figure, text

_HEADINGS = ("figure", "measured", "target", "")
_SAID = {None: "", True: "met", False: "NOT MET"}


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one run. `failure` says why it could not be finished."""

    name: str
    what: str
    seconds: float
    figures: Sequence[Figure]
    failure: str = ""

    @property
    def met(self) -> bool:
        """Whether it was finished and no target was missed."""
        return not self.failure and all(figure.met is not False for figure in self.figures)


def table(result: Result) -> str:
    """A run's figures, each beside its target."""
    rows = [_HEADINGS]
    rows += [
        (figure.what, f"{text(figure.value)} {figure.unit}".rstrip(), figure.target, _SAID[figure.met])
        for figure in result.figures
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"  {what.ljust(widths[0])}  {measured.rjust(widths[1])}  {target.rjust(widths[2])}  {said}".rstrip()
        for what, measured, target, said in rows
    ]
    if result.failure:
        lines.append(f"  NOT FINISHED: {result.failure}")
    return "\n".join([f"{result.name}: {result.what} ({result.seconds:.0f} s)", *lines])


def to_plain(result: Result) -> dict[str, Any]:
    """A run as plain data for json.dumps. What is endless becomes null."""
    figures = [dataclasses.asdict(figure) for figure in result.figures]
    for figure in figures:
        if figure["value"] is not None and not math.isfinite(figure["value"]):
            figure["value"] = None
    return {**dataclasses.asdict(result), "figures": figures, "met": result.met}
