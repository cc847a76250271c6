"""The policy as a document over the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import JsonObject, Listing, Looking, Sent, Told


class PolicyBody(Sent):
    """A policy, in the shape of the config file's `policy` section."""

    revision: int | None = Field(None, description="The revision that it was exported from; not used.")
    policy: dict[str, object]


class PlanBody(Sent):
    """A policy, or the revision to go back to."""

    revision: int | None = None
    policy: dict[str, object] | None = None
    to_revision: int | None = Field(None, ge=0, strict=True)


class RollbackBody(Sent):
    """The revision to go back to."""

    to_revision: int = Field(ge=0, strict=True)


class PlanQuery(Looking):
    """Parameters of a plan."""

    replay_seconds: int | None = Field(
        None, ge=1, le=366 * 86400, description="Evaluate this many seconds of the query log by it."
    )


class SomeRules(Told):
    """How many rules, and the first of them."""

    count: int
    some: list[str]


class PlannedItem(Told):
    """One change."""

    action: Literal["create", "update", "delete"]
    object: str
    before: JsonObject | None
    after: JsonObject | None
    added: SomeRules
    removed: SomeRules


class ReplayItem(Told):
    """A client and a name that come to another verdict."""

    client: str
    name: str
    before: str
    after: str
    queries: int


class ReplayReply(Told):
    """Replay of logged queries under a plan."""

    queries: int = Field(description="Queries that were evaluated.")
    pairs: int = Field(description="Pairs of client and name.")
    changed: int = Field(description="Queries with another verdict.")
    items: list[ReplayItem]
    cannot_show: list[str] = Field(description="Limits of the replay, as sentences.")


class PlanReply(Told):
    """Changes that a document makes, or has made; `revision` is the one it was planned against, or the new one."""

    revision: int
    changes: list[PlannedItem]
    kept: list[str]
    replay: ReplayReply | None = None


class PolicyReply(Told):
    """The policy as a document."""

    revision: int
    policy: dict[str, object]


class RevisionItem(Told):
    """One revision of the policy; `changes` in short."""

    revision: int
    at: AwareDatetime
    actor: str
    request_id: str | None
    changes: list[str]


class Revisions(Listing[RevisionItem]):
    """A page of revisions, newest first."""
