"""The texts of mails: plain, of at most 78 columns, with nothing in them that acts.

Who asks on the block page may be anybody: no word of theirs is in a mail of ours, which people trust, and may click.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from admin_api.durations import in_words
from admin_api.mail.recipients import DECIDED, ENDING, PENDING, SUMMARY
from admin_api.outbox.receivers import DEGRADED, RECOVERED
from admin_api.persons import BLOCK_PAGE
from resolver.system.safe_text import visible

COLUMNS: Final = 78
_LONGEST_SUBJECT = 120
_LONGEST_VALUE = 1000
_MOST_LINES = 50  # of one list within a mail
_LABEL = 14

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MailText:
    """Subject and body of a mail."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Sender:
    """The node that mails come from, as texts name it; `url` is that of its pages, where it is known."""

    node: str
    url: str | None = None

    def link(self, path: str) -> list[str]:
        """A line with a link, none where the pages' address is not known."""
        return [f"{self.url}{path}"] if self.url else []


def text_of(event: str, data: Data, sender: Sender) -> MailText:
    """The text of one event."""
    subject, lines = _TEXTS.get(event, _plain)(data, sender)
    return MailText(subject_of(subject), _body(lines, sender))


def digest_of(events: Sequence[tuple[str, datetime, Data]], sender: Sender) -> MailText:
    """The text of many events, a line each: kind, time and subject."""
    lines = [*_wrapped(f"{len(events)} messages, which came faster than mails are sent (mail.most_per_hour):"), ""]
    for event, at, data in events[:_MOST_LINES]:
        subject, _ = _TEXTS.get(event, _plain)(data, sender)
        lines += _wrapped(f"- {_time(at)}: {one_line(subject)}", "  ")
    if len(events) > _MOST_LINES:
        lines += ["", f"and {len(events) - _MOST_LINES} more."]
    return MailText(subject_of(f"{len(events)} messages"), _body([*lines, "", *sender.link("/")], sender))


def subject_of(text: str) -> str:
    """A subject of one line, of bounded length."""
    line = f"moatdns: {one_line(text)}"
    return line if len(line) <= _LONGEST_SUBJECT else f"{line[: _LONGEST_SUBJECT - 1]}…"


def one_line(value: object) -> str:
    """A value as one line, with every character that acts written out, of bounded length."""
    text = " ".join(visible(str(value).replace("\n", " ").replace("\r", " ").replace("\t", " ")).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _body(lines: Sequence[str], sender: Sender) -> str:
    return "\n".join([*lines, "", "-- ", *_wrapped(f"moatdns on {one_line(sender.node)}"), ""])


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _fields(fields: Sequence[tuple[str, object]]) -> list[str]:
    """Lines of labels and values; those without a value are left out."""
    found: list[str] = []
    for label, value in fields:
        if value not in (None, "", [], ()):
            found += _wrapped(f"{label + ':':<{_LABEL}}{one_line(value)}", " " * _LABEL)
    return found


def _time(value: object) -> str:
    """A time to the minute, UTC; what is no time as it is."""
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return one_line(value)


def _whose(data: Data) -> str:
    subject = data.get("subject")
    if not isinstance(subject, Mapping):
        return ""
    return "; ".join(f"{kind} {_joined(who)}" for kind, who in subject.items())


def _joined(values: object) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list | tuple) else str(values or "")


def _lines_of(values: object) -> list[str]:
    """A list's first values, as lines; none of what is no list."""
    return [one_line(one) for one in values[:_MOST_LINES]] if isinstance(values, list | tuple) else []


def _of_exemption(data: Data, sender: Sender) -> list[str]:
    seconds = data.get("requested_seconds")
    is_asked = data.get("status") == "pending"
    renewal = _renewal(data)
    known = {} if _is_strangers(data) else data
    return [
        *_fields(
            [
                ("For", _whose(data)),
                ("Opens", _joined(data.get("scope"))),
                ("Owner", known.get("owner")),
                ("Reason", known.get("reason")),
                ("Ticket", known.get("ticket")),
                ("Asked by", known.get("asked_by") or data.get("requested_by")),
                ("For how long", in_words(seconds) if isinstance(seconds, int) else None),
                ("Lapses", _time(data["waits_until"]) if data.get("waits_until") else None),
                ("Ends", None if is_asked or not data.get("expires_at") else _time(data["expires_at"])),
                ("New end", _time(renewal.get("expires_at")) if renewal else None),
                ("Why longer", renewal.get("reason") if renewal else None),
            ]
        ),
        "",
        *sender.link(f"/exemptions/{data.get('id', '')}"),
    ]


def _renewal(data: Data) -> Data | None:
    renewal = data.get("renewal")
    return renewal if isinstance(renewal, Mapping) else None


def _is_strangers(data: Data) -> bool:
    """Whether an exemption was asked for on the block page, where nobody verifies who it is."""
    return data.get("requested_by") == BLOCK_PAGE


def _pending(data: Data, sender: Sender) -> tuple[str, list[str]]:
    renewal = _renewal(data)
    what = "an exemption" if renewal is None else "a renewal"
    after = "It waits until somebody approves or denies it."
    who = one_line(data.get("owner") or data.get("requested_by") or "somebody")
    if _is_strangers(data):
        who = one_line(renewal.get("owner") or "somebody") if renewal is not None else "somebody on the block page"
        after += (
            " Nobody verified who asked on the block page, and what they wrote is not in this mail: see the page of "
            "the exemption, or 'moatdns exemption list'."
        )
    head = _wrapped(f"{who} asks for {what}. {after}")
    return f"{who} asks for {what} ({_joined(data.get('scope'))})", [*head, "", *_of_exemption(data, sender)]


_DECISIONS: Final = {
    "approve": ("approved", "Your exemption is approved."),
    "deny": ("denied", "Your exemption is denied."),
    "approve-renewal": ("renewed", "Your exemption lasts longer, as you asked."),
    "deny-renewal": ("not renewed", "Your exemption is not renewed: it ends as it was to."),
}


def _decided(data: Data, sender: Sender) -> tuple[str, list[str]]:
    word, sentence = _DECISIONS.get(str(data.get("action")), ("decided", "Your exemption is decided."))
    decided = _fields([("Decided by", data.get("decided_by")), ("Why", data.get("note"))])
    subject = f"your exemption is {word} ({_joined(data.get('scope'))})"
    return subject, [*_wrapped(sentence), "", *decided, *_of_exemption(data, sender)]


def _ending(data: Data, sender: Sender) -> tuple[str, list[str]]:
    end = _time(data.get("expires_at"))
    head = _wrapped(f"This exemption ends at {end}. Who still needs it asks for a renewal before.")
    subject = f"an exemption ends at {end} ({_joined(data.get('scope'))})"
    return subject, [*head, "", *_of_exemption(data, sender)]


def _degraded(data: Data, sender: Sender) -> tuple[str, list[str]]:
    listed = [line for one in _lines_of(data.get("why")) for line in _wrapped(f"- {one}", "  ")]
    head = _wrapped(f"{one_line(sender.node)} is degraded. DNS goes on as far as it can.")
    return f"{sender.node} is degraded", [*head, "", *listed, "", *sender.link("/status")]


def _recovered(_: Data, sender: Sender) -> tuple[str, list[str]]:
    return f"{sender.node} is well again", [
        *_wrapped(f"{one_line(sender.node)} is well again."),
        *sender.link("/status"),
    ]


def _summary(data: Data, sender: Sender) -> tuple[str, list[str]]:
    begins, ends = _time(data.get("from")), _time(data.get("to"))
    counted = [(label, f"{data[key]:,}") for key, label in _COUNTED if isinstance(data.get(key), int)]
    lines = [*_wrapped(f"The week from {begins} to {ends}."), "", *_fields(counted)]
    for key, title in _LISTED:
        entries = _lines_of(data.get(key))
        if entries:
            lines += ["", f"{title}:", *(line for one in entries for line in _wrapped(f"- {one}", "  "))]
    return f"the week of {sender.node}", [*lines, "", *sender.link("/reports")]


_COUNTED: Final = (
    ("queries", "Queries"),
    ("blocked", "Blocked"),
    ("monitored", "Only watched"),
    ("exempted", "Let through"),
    ("failed", "Failed"),
    ("exemptions_active", "Exemptions"),
    ("exemptions_pending", "Waiting"),
)
_LISTED: Final = (
    ("vendors", "Most asked for, of what rules match"),
    ("ending", "Exemptions that end within a week"),
    ("lists", "Lists that cannot be fetched"),
    ("troubles", "What is the matter now"),
)


def _plain(data: Data, _: Sender) -> tuple[str, list[str]]:
    """A test, or what has no text of its own."""
    text = one_line(data.get("text") or "a message")
    return text, _wrapped(text)


_TEXTS: Final[Mapping[str, Callable[[Data, Sender], tuple[str, list[str]]]]] = {
    PENDING: _pending,
    DECIDED: _decided,
    ENDING: _ending,
    DEGRADED: _degraded,
    RECOVERED: _recovered,
    SUMMARY: _summary,
}
