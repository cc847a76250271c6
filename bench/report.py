"""The result of a run as tables for people and as plain data for JSON."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from bench.arithmetic import Spread, spread
from bench.goals import Goal, cpu_ratio, goals
from bench.kinds.job import Log
from bench.kinds.unbound import UNBOUND
from bench.measure import Measured, Sample
from bench.results import Results, plain_extras, plain_missing

SAME_LOG = f"{UNBOUND}, same log"
FEWEST = "the fewest rules"
LEGEND = """\
CPU µs and ÷: a query's, of the whole process tree; median over the rounds [quartiles]; ÷ pairs rounds.
÷ unbound, same log: beside unbound that logs the same (hits, or all) into a file.
busy: threads with work, on a core or waiting for one; near 1 a server has no pause, as it must be at saturation.
lost, failed: queries of all rounds without answer, or with another rcode than NOERROR.
upstream: queries that the upstream got for each one answered."""


def reference(measured: Measured, name: str, column: str) -> str | None:
    """The server that a column compares another with."""
    if column == FEWEST:
        return measured.fewest.get(name)
    log = measured.logs.get(name, Log.NONE)
    if column == SAME_LOG:
        return None if log is Log.NONE else f"{UNBOUND}, {log.value}"
    return column


def ratio(measured: Measured, name: str, column: str) -> Spread | None:
    """A server's CPU a query in relation to the column's; None without one, or to itself."""
    other = reference(measured, name, column)
    return None if other is None or other == name else cpu_ratio(measured, name, other)


def table(measured: Measured, columns: Sequence[str]) -> str:
    """A workload's table: for each server its medians, and its paired ratio to each peer."""
    shown = [column for column in columns if any(ratio(measured, name, column) for name in measured.samples)]
    headings = [
        "server",
        "CPU µs",
        *(f"÷ {column}" for column in shown),
        "answers/s",
        "busy",
        "lost",
        "failed",
        "upstream",
    ]
    rows = []
    for name, samples in measured.samples.items():
        ratios = [ratio(measured, name, column) for column in shown]
        rows.append(
            [
                name,
                _with_quartiles(spread([sample.cpu_microseconds for sample in samples])),
                *(_with_quartiles(each) if each else "" for each in ratios),
                f"{_median(samples, lambda sample: sample.load.queries_per_second):,.0f}",
                f"{_median(samples, lambda sample: sample.busy):.2f}",
                f"{sum(sample.load.lost for sample in samples):,}",
                f"{sum(sample.load.failed for sample in samples):,}",
                f"{_upstream_share(samples):.2f}",
            ]
        )
    return f"{measured.workload.name}: {measured.workload.what}\n\n{markdown(headings, rows)}"


def tables(results: Results, columns: Sequence[str]) -> str:
    """All tables of a run, after one another."""
    parts = [table(measured, columns) for measured in results.measured if measured.samples]
    if results.rules_started:
        rows = [
            [name, f"{found['seconds']:.1f}", f"{found['mib']:,.0f}"] for name, found in results.rules_started.items()
        ]
        told = "First start with so many rules, until they are in force, and memory then (PSS)"
        parts.append(f"{told}\n\n{markdown(['server', 'seconds', 'MiB'], rows)}")
    if results.timed:
        headings = ["server", "queries/s", "p50 µs", "p99 µs", "p99.9 µs", "answered", "load late, p99 µs"]
        rows = [
            [
                each.server,
                f"{each.per_second:,}",
                *(f"{value:,.0f}" for value in (each.p50, each.p99, each.p999)),
                f"{each.answered_share:.2%}",
                f"{each.late_p99:,.0f}",
            ]
            for each in results.timed
        ]
        parts.append(f"Time to the answer at a steady rate, the realistic mix\n\n{markdown(headings, rows)}")
    if results.footprints:
        rows = [
            [each.server, f"{each.mib:,.1f}", _with_quartiles(each.first_answer), "yes" if each.unprivileged else "no"]
            for each in results.footprints
        ]
        headings = ["server", "MiB (PSS)", "start to first answer, s", "unprivileged"]
        parts.append(f"Memory after a load, and start with what is on disk\n\n{markdown(headings, rows)}")
    return "\n\n".join([*parts, *_left_out(results), *_goals(results)])


def _left_out(results: Results) -> list[str]:
    missing = plain_missing(results)
    lines = [
        f"- {part}, {name}: {_one_line(why)}" for part, servers in missing.items() for name, why in servers.items()
    ]
    lines += [f"- {name}: not measured, the time of the run was up" for name in results.skipped]
    return ["Could not be had:\n\n" + "\n".join(lines)] if lines else []


def _goals(results: Results) -> list[str]:
    found = goals(results)
    if not found:
        return []
    headings = ["bound", "", "figure [quartiles]", "kept"]
    return [f"Bounds\n\n{markdown(headings, [_goal_row(goal) for goal in found])}"]


def _goal_row(goal: Goal) -> list[str]:
    bound = f"{'≥' if goal.at_least else '≤'} {goal.bound:g} {goal.unit}"
    return [goal.what, bound, _with_quartiles(goal.figure), "yes" if goal.reached else "**no**"]


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads well as it is, too."""
    every = [list(headings), *map(list, rows)]
    widths = [max(len(row[at]) for row in every) for at in range(len(headings))]
    lines = [
        "| "
        + " | ".join(cell.ljust(width) if not at else cell.rjust(width) for at, (cell, width) in enumerate(cells))
        + " |"
        for cells in (list(zip(row, widths, strict=True)) for row in every)
    ]
    rule = (
        "| " + " | ".join("-" * width if not at else "-" * (width - 1) + ":" for at, width in enumerate(widths)) + " |"
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def to_plain(results: Results, columns: Sequence[str]) -> dict[str, Any]:
    """A run for json.dumps, with every sample behind the figures."""
    plain = plain_extras(results)
    plain["tables"] = tables(results, columns)
    plain["results"] = [_measured(measured, columns) for measured in results.measured]
    plain["goals"] = [{**dataclasses.asdict(goal), "reached": goal.reached} for goal in goals(results)]
    return plain


def _measured(measured: Measured, columns: Sequence[str]) -> dict[str, Any]:
    servers: dict[str, Any] = {}
    for name, samples in measured.samples.items():
        ratios = {column: ratio(measured, name, column) for column in columns}
        servers[name] = {
            "cpu_microseconds": dataclasses.asdict(spread([sample.cpu_microseconds for sample in samples])),
            "queries_per_second": _median(samples, lambda sample: sample.load.queries_per_second),
            "busy": _median(samples, lambda sample: sample.busy),
            "lost": sum(sample.load.lost for sample in samples),
            "failed": sum(sample.load.failed for sample in samples),
            "upstream_share": _upstream_share(samples),
            "ratios": {column: dataclasses.asdict(found) for column, found in ratios.items() if found},
            "samples": [dataclasses.asdict(sample) for sample in samples],
        }
    return {"workload": measured.workload.name, "what": measured.workload.what, "servers": servers}


def _median(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> float:
    return statistics.median(map(figure, samples))


def _upstream_share(samples: Sequence[Sample]) -> float:
    return sum(sample.upstream_queries for sample in samples) / sum(sample.load.answered for sample in samples)


def _with_quartiles(values: Spread) -> str:
    return f"{values.median:.2f} [{values.low:.2f}–{values.high:.2f}]"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
