"""The pages: templates that escape whatever is put into them, and the headers that keep a browser from doing more."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from admin_api.block_page.findings import NameFinding
from admin_api.block_page.form import LONGEST_REASON, LONGEST_WHO, Form
from admin_api.durations import in_words
from admin_api.store.exemptions import ExemptionRow

FORM_PATH = "/request-an-exemption"

_TEMPLATES = Path(__file__).parent / "templates"
_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+\Z")


@dataclass(frozen=True, slots=True)
class RequestSection:
    """The part of a page about asking for an exemption: a form, the state of a request, or why there is neither."""

    form: Form | None = None
    choices: tuple[tuple[int, str], ...] = ()
    state: ExemptionRow | None = None
    trouble: str = ""  # why a form that was sent was not taken
    away: str = ""  # why nothing can be asked for now


class BlockPages:
    """Renders them. Every answer ends its connection: a browser that keeps it would come back here once let through."""

    def __init__(self, contact: str | None) -> None:
        style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
        hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._headers = {
            "Server": "moatdns",
            "Cache-Control": "no-store",
            "Content-Language": "en",
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{hashed}'; img-src data:; form-action 'self'; "
                "base-uri 'none'; frame-ancestors 'none'"
            ),
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "same-origin",  # with no-referrer, a browser's own form would come with Origin: null
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "X-Robots-Tag": "noindex",
        }
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(moment=_moment, iso=datetime.isoformat, words=in_words)
        self._environment.globals.update(
            style=Markup(style),  # noqa: S704 (our own file, and as it is, or its hash would not fit)
            contact=contact,
            contact_link=_link(contact or ""),
            form_path=FORM_PATH,
            longest_who=LONGEST_WHO,
            longest_reason=LONGEST_REASON,
        )

    def blocked(self, status: int, finding: NameFinding, asking: RequestSection) -> web.Response:
        """A name that is blocked for the visitor."""
        return self._page("blocked.html", status, finding=finding, asking=asking)

    def not_blocked(self, status: int, finding: NameFinding) -> web.Response:
        """A name that is not."""
        return self._page("not_blocked.html", status, finding=finding)

    def look_up(self, status: int, client: str, typed: str = "") -> web.Response:
        """The page's own address; `typed` is what is no name."""
        return self._page("look_up.html", status, client=client, typed=typed)

    def message(self, status: int, heading: str, text: str, **headers: str) -> web.Response:
        """A few words."""
        return self._page("message.html", status, headers, heading=heading, text=text)

    def elsewhere(self, location: str) -> web.Response:
        """After a form: the page that says how it stands."""
        return self._response(303, "", {"Location": location})

    def nothing(self, status: int, **headers: str) -> web.Response:
        """No page at all."""
        return self._response(status, "", headers)

    def _page(self, template: str, status: int, headers: dict[str, str] | None = None, **facts: object) -> web.Response:
        text = self._environment.get_template(template).render(**facts)
        return self._response(status, text, headers or {})

    def _response(self, status: int, text: str, headers: dict[str, str]) -> web.Response:
        response = web.Response(
            status=status,
            text=text,
            content_type="text/html",
            charset="utf-8",
            headers={**self._headers, **headers},
        )
        response.force_close()
        return response


def _moment(at: datetime) -> str:
    """``25 November 2026, 10:05 UTC``: without a script, a page does not know the visitor's time zone."""
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _link(contact: str) -> str | None:
    """Where a contact leads, where it leads anywhere."""
    if contact.lower().startswith(("http://", "https://")) and " " not in contact:
        return contact
    return f"mailto:{quote(contact, safe='@+')}" if _MAIL.match(contact) else None
