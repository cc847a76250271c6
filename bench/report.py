"""The result as a table for people and as plain data for JSON."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

from bench.arithmetic import Spread, paired_ratios, spread
from bench.measure import Measured, Sample

_HEADINGS = ("server", "CPU µs/query", "queries/s", "busy", "lost", "failed", "upstream")


def table(measured: Measured, peers: Sequence[str]) -> str:
    """A workload's table: for each server its medians, and its paired ratio to each peer."""
    rows = [[*_HEADINGS, *(f"÷ {peer}" for peer in peers)]]
    for name, summary in summaries(measured, peers).items():
        ratios = [_with_quartiles(summary["ratios"][peer]) if peer in summary["ratios"] else "" for peer in peers]
        rows.append(
            [
                name,
                _with_quartiles(summary["cpu_microseconds"]),
                f"{summary['queries_per_second']:,.0f}",
                f"{summary['busy']:.2f}",
                f"{summary['lost']:,}",
                f"{summary['failed']:,}",
                f"{summary['upstream_share']:.2f}",
                *ratios,
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(cells)
        ).rstrip()
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join([f"{measured.workload.name}: {measured.workload.what}", *lines])


LEGEND = """\
CPU µs/query and ÷: median over the rounds [quartiles]; ÷ pairs the server with the peer of the same round.
busy: threads with work, on a core or waiting for one; near 1 a worker has no pause, as it must be at saturation.
lost, failed: queries of all rounds without answer, or answered with another rcode than NOERROR.
upstream: queries that the upstream got for each one answered."""


def summaries(measured: Measured, peers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each server, as plain data: medians, spreads and ratios."""
    cpu = {name: [sample.cpu_microseconds for sample in samples] for name, samples in measured.samples.items()}
    return {
        name: {
            "cpu_microseconds": spread(cpu[name]),
            "queries_per_second": statistics.median(sample.load.queries_per_second for sample in samples),
            "busy": statistics.median(sample.busy for sample in samples),
            "lost": sum(sample.load.lost for sample in samples),
            "failed": sum(sample.load.failed for sample in samples),
            "upstream_share": _upstream_share(samples),
            "ratios": {
                peer: spread(paired_ratios(cpu[name], cpu[peer])) for peer in peers if peer in cpu and peer != name
            },
        }
        for name, samples in measured.samples.items()
    }


def to_plain(measured: Measured, peers: Sequence[str]) -> dict[str, Any]:
    """A workload's summaries and every sample behind them, for json.dumps."""
    plain: dict[str, Any] = {"workload": measured.workload.name, "what": measured.workload.what, "servers": {}}
    for name, summary in summaries(measured, peers).items():
        plain["servers"][name] = {
            **summary,
            "cpu_microseconds": dataclasses.asdict(summary["cpu_microseconds"]),
            "ratios": {peer: dataclasses.asdict(ratio) for peer, ratio in summary["ratios"].items()},
            "samples": [dataclasses.asdict(sample) for sample in measured.samples[name]],
        }
    return plain


def _upstream_share(samples: Sequence[Sample]) -> float:
    return sum(sample.upstream_queries for sample in samples) / sum(sample.load.answered for sample in samples)


def _with_quartiles(values: Spread) -> str:
    return f"{values.median:.2f} [{values.low:.2f}–{values.high:.2f}]"
