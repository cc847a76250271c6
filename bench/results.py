"""Results of a run: what was measured, by which programs on which machine, and what was left out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from bench.footprint import Footprint
from bench.latency import Timed
from bench.measure import Measured


@dataclass(slots=True)
class Results:
    """All of a run so far."""

    date: str
    command: str
    machine: dict[str, str | float]
    versions: dict[str, str]
    effort: dict[str, float]
    measured: list[Measured] = field(default_factory=list)
    rules_started: dict[str, dict[str, float]] = field(default_factory=dict)  # seconds and MiB of each server
    timed: list[Timed] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    missing: dict[str, dict[str, str]] = field(default_factory=dict)  # by part: server, and why
    skipped: list[str] = field(default_factory=list)  # workloads for which there was no time

    def of(self, workload: str) -> Measured | None:
        """A workload's samples."""
        return next((measured for measured in self.measured if measured.workload.name == workload), None)


def plain_missing(results: Results) -> dict[str, dict[str, str]]:
    """Cells that could not be had: by workload or part, each server with the reason."""
    found = {each.workload.name: each.missing for each in results.measured if each.missing}
    return {**found, **{part: missing for part, missing in results.missing.items() if missing}}


def plain_extras(results: Results) -> dict[str, Any]:
    """All but the samples, for json.dumps."""
    return {
        "date": results.date,
        "command": results.command,
        "machine": results.machine,
        "versions": results.versions,
        "effort": results.effort,
        "rules_started": results.rules_started,
        "latency": [dataclasses.asdict(timed) for timed in results.timed],
        "footprint": [dataclasses.asdict(footprint) for footprint in results.footprints],
        "missing": plain_missing(results),
        "skipped": results.skipped,
    }
