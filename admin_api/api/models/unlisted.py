"""The inbox of unlisted names, over the wire."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import LONGEST_NAME, Listing, Page, Sent, Told
from admin_api.store.unlisted import UnlistedStatus
from blocklists.likeness.evidence import EvidenceKind


class UnlistedPage(Page):
    """A page of the inbox."""

    status: UnlistedStatus | None = None
    contains: str | None = Field(None, max_length=253, description="A text in the domain.")


class UnlistedRuleBody(Sent):
    """Where the rule goes, and how wide it is."""

    list: str | None = Field(None, max_length=63, description="Your own list; left out: 'unlisted', made if need be.")
    rule: str | None = Field(
        None, max_length=LONGEST_NAME, description="A rule for the domain or a name below it; left out: the domain."
    )


class UnlistedEvidence(Told):
    """A piece of evidence."""

    kind: EvidenceKind
    what: str
    points: int


class UnlistedForecast(Told):
    """The inbox's own counts of the last days: what a block would at least have met. Cached answers are not in them."""

    days: int
    queries: int
    queries_a_day: float
    clients: int = Field(description="About; of the day that had most.")


class UnlistedItem(Told):
    """A domain that looks like an AI service, and matched no rule; `list` got the `rule` of the decision on it."""

    domain: str
    status: UnlistedStatus
    score: int = Field(description="Points of all evidence, at most 100.")
    evidence: list[UnlistedEvidence]
    hosts: list[str] = Field(description="Names that were asked for, some of them.")
    queries: int = Field(description="Forwarded ones, since it was first seen.")
    clients: int = Field(description="About; of the day that had most.")
    first_at: AwareDatetime
    last_at: AwareDatetime
    forecast: UnlistedForecast
    rule: str | None
    list: str | None
    decided_by: str | None
    decided_at: AwareDatetime | None


class UnlistedNames(Listing[UnlistedItem]):
    """A page of the inbox, most evidence first."""

    enabled: bool = Field(description="Whether the node looks for such names.")


class UnlistedDone(UnlistedItem):
    """An entry with the decision on it."""

    groups: list[str] = Field(description="The groups that have the list in force; none: the rule has no effect yet.")
    revision: int | None = Field(description="The policy's revision with the rule; null where none was written.")
