"""Models of looks at persons that another owner agrees to."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Sent, Told
from resolver.config.fields import read_one_line, reading

LookedBy = Literal[
    "GET /queries",
    "GET /stats/top",
    "GET /reports/usage",
    "GET /reports/forecast",
    "GET /reports/exemptions",
    "POST /policy:plan",
    "POST /people:export",
]
AGREED_TO: Final[frozenset[str]] = frozenset(get_args(LookedBy))
"""Looks that are an investigator's, and wait for another one where the config says so."""


class LookBody(Sent):
    """A look to be: the operation, whom it filters by, and the reason, all as the look itself will have them."""

    operation: LookedBy
    client: str | None = Field(None, max_length=100)
    identity: str | None = Field(None, max_length=200)
    reason: Annotated[str, reading(read_one_line)] = Field(min_length=1, max_length=1000)


class LookItem(Told):
    """A look that another owner has agreed to."""

    owner: str
    operation: str
    client: str | None
    identity: str | None
    reason: str
    ends_at: AwareDatetime
