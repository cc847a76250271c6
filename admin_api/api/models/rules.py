"""Models of the rules of a list."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from admin_api.api.models.common import Listing, Page, Sent, Told


class RulesPage(Page):
    """A page of rules."""

    contains: str | None = Field(None, min_length=1, max_length=253, description="Only rules that contain this text.")


class RulesBody(Sent):
    """Rules of a list."""

    block: list[str] = Field(
        [], description="'example.com' (and all below), '=example.com', '*.example.com', '/regex/'."
    )
    allow: list[str] = Field([])


class RuleItem(Told):
    """A rule of a list."""

    action: Literal["block", "allow"]
    rule: str


class Rules(Listing[RuleItem]):
    """A page of rules."""


class Added(Told):
    """How many rules were new."""

    added: int
    revision: int


class Deleted(Told):
    """How many rules were there to be removed."""

    deleted: int
    revision: int


class Accepted(Told):
    """A large write that is stored, and comes in force: /status shows the revision."""

    revision: int
