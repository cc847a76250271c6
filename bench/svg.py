"""A run as a picture: each server's CPU a query in relation to unbound's, by workload, readable light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.arithmetic import Spread
from bench.kinds.unbound import UNBOUND
from bench.report import ratio
from bench.results import Results

# Name, colour in light, in dark, shape. Those that no run has are left out.
_MARKS = (
    ("moatdns, compiled", "#b3261e", "#ff8a80", "diamond"),
    ("moatdns, compiled, no log", "#e07a1f", "#ffb870", "diamond"),
    ("moatdns", "#8a6d00", "#e6c84a", "diamond"),
    ("unbound, log of hits", "#1f5fa8", "#8ab8f0", "circle"),
    ("dnsmasq", "#2e7d32", "#81c784", "circle"),
    ("dnsdist", "#6a3fa0", "#c4a1f0", "circle"),
    ("pdns-recursor RPZ", "#00707a", "#63d3dc", "circle"),
    ("knot-resolver RPZ", "#8d4b6b", "#f0a0c8", "circle"),
    ("echo", "#606060", "#b0b0b0", "circle"),
)
_LEFT, _RIGHT, _ROW, _LEGEND_ROW, _WIDTH = 110, 24, 46, 20, 820
_LEAST, _MOST = 0.125, 16.0
_TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16)
_LEGEND_COLUMNS = 3


def picture(results: Results) -> str:
    """The SVG document."""
    drawn = [measured for measured in results.measured if UNBOUND in measured.samples]
    marks = [mark for mark in _MARKS if any(mark[0] in measured.samples for measured in drawn)]
    legend_height = _LEGEND_ROW * math.ceil(len(marks) / _LEGEND_COLUMNS)
    top = 44 + legend_height
    bottom = top + _ROW * len(drawn)
    parts = [_head(bottom + 44, marks, results)]
    for number, (name, *_, shape) in enumerate(marks):
        x = _LEFT + number % _LEGEND_COLUMNS * ((_WIDTH - _LEFT - _RIGHT) / _LEGEND_COLUMNS)
        y = 42 + number // _LEGEND_COLUMNS * _LEGEND_ROW
        parts.append(_shape(shape, x, y, number) + f'<text x="{x + 11:.1f}" y="{y + 4}">{escape(name)}</text>')
    for tick in _TICKS:
        kind = "one" if tick == 1 else "grid"
        parts.append(f'<line class="{kind}" x1="{_x(tick):.1f}" x2="{_x(tick):.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text class="quiet" text-anchor="middle" x="{_x(tick):.1f}" y="{bottom + 16}">{tick:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    told = "CPU a query ÷ unbound without a log (logarithmic; less is better); lines: quartiles"
    parts.append(f'<text class="quiet" text-anchor="middle" x="{middle}" y="{bottom + 34}">{told}</text>')
    for row, measured in enumerate(drawn):
        middle = top + row * _ROW + _ROW / 2
        parts.append(f'<text text-anchor="end" x="{_LEFT - 12}" y="{middle + 4}">{measured.workload.name}</text>')
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{middle}" y2="{middle}"/>')
        found = [(number, mark, ratio(measured, mark[0], UNBOUND)) for number, mark in enumerate(marks)]
        known = [(number, mark, figure) for number, mark, figure in found if figure]
        for at, (number, mark, figure) in enumerate(known):
            place = middle + (at - (len(known) - 1) / 2) * (_ROW - 10) / max(1, len(marks) - 1)
            parts.append(_figure(figure, mark[3], place, number, f"{measured.workload.name}, {mark[0]}"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _figure(figure: Spread, shape: str, y: float, number: int, told: str) -> str:
    title = f"<title>{escape(told)}: {figure.median:.2f} [{figure.low:.2f}–{figure.high:.2f}]</title>"
    ends = f'x1="{_x(figure.low):.1f}" x2="{_x(figure.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
    line = f'<line class="m{number} range" {ends}/>'
    return f"<g>{title}{line}{_shape(shape, _x(figure.median), y, number)}</g>"


def _shape(shape: str, x: float, y: float, number: int) -> str:
    if shape == "circle":
        return f'<circle class="m{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    return f'<path class="m{number}" d="M{x - 6:.1f} {y:.1f}l6 -6l6 6l-6 6z"/>'


def _x(value: float) -> float:
    """The place of a ratio; what lies beyond the ends is drawn at them."""
    share = math.log(min(max(value, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _head(height: int, marks: Sequence[tuple[str, str, str, str]], results: Results) -> str:
    light = "".join(f".m{number}{{fill:{mark[1]};stroke:{mark[1]}}}" for number, mark in enumerate(marks))
    dark = "".join(f".m{number}{{fill:{mark[2]};stroke:{mark[2]}}}" for number, mark in enumerate(marks))
    title = f"moatdns beside other servers, {results.date[:10]}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12">\n'
        f'<title id="title">{title}</title>\n<style>\n'
        f"text{{fill:#1c1c1c}}.quiet{{fill:#555}}.back{{fill:#fff}}.grid{{stroke:#ddd}}.one{{stroke:#555;stroke-width:1.5}}"
        f".range{{stroke-width:2}}{light}\n@media (prefers-color-scheme: dark){{text{{fill:#eee}}.quiet{{fill:#bbb}}"
        f".back{{fill:#161616}}.grid{{stroke:#3a3a3a}}.one{{stroke:#aaa}}{dark}}}\n</style>\n"
        f'<rect class="back" width="{_WIDTH}" height="{height}"/>\n'
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="600">{title}</text>'
    )
