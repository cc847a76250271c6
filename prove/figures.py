"""A figure beside its target: what a run gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Number = int | float
_TIMES = ("s", "ms", "µs")


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured or counted. `met` is None where there is no target."""

    what: str
    value: Number | None  # None where it could not be taken, which meets no target
    unit: str = ""
    target: str = ""
    met: bool | None = None


def at_most(what: str, value: Number | None, most: Number, unit: str = "") -> Figure:
    """A figure that must not be above `most`."""
    return Figure(what, value, unit, f"≤ {text(most)}", value is not None and value <= most)


def at_least(what: str, value: Number | None, least: Number, unit: str = "") -> Figure:
    """A figure that must not be below `least`."""
    return Figure(what, value, unit, f"≥ {text(least)}", value is not None and value >= least)


def below(what: str, value: Number | None, bound: Number, unit: str = "") -> Figure:
    """A figure that must be below `bound`."""
    return Figure(what, value, unit, f"< {text(bound)}", value is not None and value < bound)


def exactly(what: str, value: Number, wanted: Number, unit: str = "") -> Figure:
    """A figure that must be `wanted`; mostly none."""
    return Figure(what, value, unit, text(wanted), value == wanted)


def told(what: str, value: Number | None, unit: str = "") -> Figure:
    """A figure without a target."""
    return Figure(what, value, unit)


def missed(figures: Iterable[Figure], *, but_for_times: bool = False) -> list[Figure]:
    """The figures whose target was missed; `but_for_times` on a machine that may be busy with other things."""
    return [f for f in figures if f.met is False and not (but_for_times and f.unit in _TIMES)]


def text(value: Number | None) -> str:
    """A number for people: three digits that count, thousands set off."""
    if value is None:
        return "none"
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or not value else f"{value:.1g}"
