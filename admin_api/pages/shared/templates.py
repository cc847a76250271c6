"""HTML is made here: everything is escaped, and no text can act as anything but text."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from admin_api.pages.shared.menu import MENU
from admin_api.pages.shared.static_files import address_of
from admin_api.persons import name_of
from resolver import __version__
from resolver.system.safe_text import visible_lines as visible

_FOLDER = Path(__file__).parents[1]  # a template is beside the code of its subject
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@functools.cache
def make_templates() -> Environment:
    """The one environment, which keeps what it has compiled."""
    templates = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_finalize,
    )
    templates.globals.update(static=address_of, moatdns_version=__version__, with_query=with_query, menu=MENU)
    templates.filters.update(
        person=name_of,
        moment=moment,
        number=number,
        decimal=decimal,
        grouped=grouped,
        span=span,
        segment=segment,
        as_it_is=as_it_is,
    )
    return templates


def rendered(templates: Environment, template: str, facts: Mapping[str, Any]) -> str:
    """A template filled in. Raises ValueError for a fact that would hide what every template means by that name."""
    if hidden := sorted(facts.keys() & templates.globals.keys()):
        raise ValueError(f"{template}: {', '.join(hidden)} cannot be the name of a fact")
    return templates.get_template(template).render(**facts)


def as_it_is(value: Any) -> Markup:
    """Text that a form sends back, in a `value` or a textarea: written out it would be saved as another text."""
    text = "" if value is None else str(value)
    # UTF-8 has nothing for half a surrogate pair.
    return escape(text if text.isascii() else text.encode(errors="replace").decode())


def _finalize(value: Any) -> Any:
    """Text that is only read: query names and the like are hostile text wherever they are shown, and written out."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(at: datetime | str | None, empty: str = "–") -> Markup:
    """A time in UTC; a script shows it in the reader's own time zone."""
    if at is None:
        return escape(empty)
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    utc = when.astimezone(UTC)
    machine = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}">{} UTC</time>').format(machine, utc.strftime("%Y-%m-%d %H:%M:%S"))


def number(value: float | None) -> Markup:
    """A number that a script shows as the reader's language writes it; without scripts as `grouped` does."""
    return escape("–") if value is None else Markup('<data value="{}">{}</data>').format(value, grouped(value))


def decimal(value: float | None, digits: int = 1) -> Markup:
    """A number with that many decimal places, which a script shows as the reader's language writes it."""
    if value is None:
        return escape("–")
    text = f"{value:.{digits}f}"
    return Markup('<data value="{}" data-digits="{}">{}</data>').format(text, digits, grouped(float(text), digits))


def grouped(value: float, digits: int | None = None) -> str:
    """1234567 as '1 234 567', with narrow no-break spaces (ISO 80000-1): a comma or a point means two things."""
    text = f"{value:,}" if digits is None else f"{value:,.{digits}f}"
    return text.replace(",", "\u202f")


def span(seconds: float | None) -> str:
    """Seconds as '2 h 5 min'."""
    if seconds is None:
        return "–"
    left = max(0, round(seconds))
    parts = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def segment(text: str) -> str:
    """Text as one segment of an address."""
    return quote(text, safe="")


def with_query(address: str, query: Mapping[str, Any], **changed: Any) -> str:
    """An address with a query; what is None or empty is left out."""
    whole = {name: value for name, value in {**query, **changed}.items() if value not in (None, "")}
    return f"{address}?{urlencode(whole)}" if whole else address
