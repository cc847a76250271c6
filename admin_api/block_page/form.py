"""The request form: what may be chosen, and what came, read from an octet string that anybody may have written."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from admin_api.durations import in_words

MOST_BYTES = 8192  # of a form
LONGEST_WHO = 100
LONGEST_REASON = 500
CONTENT_TYPE = "application/x-www-form-urlencoded"

_MOST_FIELDS = 10
_HOUR, _DAY = 3600, 86400
_CHOICES_SECONDS = (_HOUR, 8 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY)

_NO_ERRORS = {"who": "", "reason": "", "seconds": ""}


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was filled in, to be shown again; `errors` say what is wrong, by field."""

    name: str = ""  # that it is about
    token: str = ""
    who: str = ""
    reason: str = ""
    seconds: int | None = None
    errors: dict[str, str] = field(default_factory=lambda: dict(_NO_ERRORS))

    @property
    def is_wrong(self) -> bool:
        """Whether something in it is."""
        return any(self.errors.values())


def choices(longest_seconds: int) -> list[tuple[int, str]]:
    """How long an exemption may be asked for: seconds and words, none beyond the policy's longest."""
    allowed = [seconds for seconds in _CHOICES_SECONDS if seconds <= longest_seconds] or [longest_seconds]
    return [(seconds, in_words(seconds)) for seconds in allowed]


def read_pairs(text: str) -> dict[str, str]:
    """The first value of each field of a query or a form; {} for what is none."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return dict(reversed(pairs))


def read_form(body: bytes, longest_seconds: int) -> Form:
    """A form as a browser sends it."""
    sent = read_pairs(body.decode("ascii", "replace"))
    who, reason = plain(sent.get("who", "")), plain(sent.get("reason", ""))
    chosen = sent.get("seconds", "")
    seconds = next((number for number, _ in choices(longest_seconds) if str(number) == chosen), None)
    errors = dict(_NO_ERRORS)
    for key, text, most, what in (
        ("who", who, LONGEST_WHO, "your name or mail address"),
        ("reason", reason, LONGEST_REASON, "what you need it for"),
    ):
        if not text:
            errors[key] = f"Say {what}."
        elif len(text) > most:
            errors[key] = f"Use at most {most} characters, not {len(text)}."
    if seconds is None:
        errors["seconds"] = "Choose one of these."
    return Form(sent.get("name", ""), sent.get("token", ""), who, reason, seconds, errors)


def plain(text: str) -> str:
    """One line of visible text: what would move a terminal's cursor, hide, or turn letters around becomes a space.

    An approver reads it in a page, in a terminal, or in the log.
    """
    return " ".join("".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text).split())
