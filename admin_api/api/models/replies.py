"""Replies on the audit trail, tokens, webhooks and the node."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field


class AuditItem(BaseModel):
    """Who did what."""

    id: int
    at: AwareDatetime
    actor: str
    action: str
    object: str
    before: Any
    after: Any
    request_id: str | None


class Audit(BaseModel):
    """A page of the audit trail, newest first."""

    items: list[AuditItem]
    next: str | None


class LostHead(BaseModel):
    """A row of the audit trail that was noted as its last one, and is gone."""

    row: int
    mac: str


class Acknowledged(BaseModel):
    """What a loss of audit rows consists of, as the row says that acknowledges it."""

    reason: str
    lost_heads: list[LostHead]


class TokenItem(BaseModel):
    """A token, without its secret."""

    name: str
    owner: str
    role: Literal["viewer", "operator", "lease", "admin"]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    networks: list[str] | None = Field(None, description="Role lease: whose addresses it may lease; null: any.")
    groups: list[str] | None = Field(None, description="Role lease: into which groups it may lease; null: any.")


class NewToken(TokenItem):
    """A token that was just made: `token` is shown this once."""

    token: str


class Tokens(BaseModel):
    """A page of tokens."""

    items: list[TokenItem]
    next: str | None


class Status(BaseModel):
    """How the node is."""

    version: str
    uptime_seconds: float
    workers: list[dict[str, Any]]
    policy: dict[str, Any] = Field(description="revision, snapshot, in_force_since, age_seconds, trouble")
    subjects: dict[str, Any] = Field(description="How many leases, exemptions and pauses are in force; trouble")
    store: dict[str, Any]
    audit: dict[str, Any] = Field(description="Noted heads of the audit trail; rows of those that are gone; trouble")
    upstreams: list[dict[str, Any]]
    upstream_troubles: list[str] = Field([], description="Which upstreams do not answer, and why.")
    stripped: list[str] = Field(
        [], description="Names whose private addresses were left out lately (upstream.private_names opens them)."
    )
    lists: list[dict[str, Any]]
    dropped: dict[str, int] = Field(description="What was let fall, by what it was too much for; see limits.")


class WebhookItem(BaseModel):
    """A webhook; its URL without what may be secret in it."""

    url: str
    events: list[str]
    waiting: int = Field(description="Messages that it has not taken yet.")
    last_success_at: AwareDatetime | None
    last_error: str | None


class Webhooks(BaseModel):
    """All webhooks of the config."""

    items: list[WebhookItem]


class WebhooksTested(BaseModel):
    """To how many hooks a test is on its way."""

    hooks: int


class Flushed(BaseModel):
    """How many cached answers were forgotten, over all workers."""

    forgotten: int


class Health(BaseModel):
    """Alive."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether a policy is served, and why it may not be the newest."""

    status: Literal["ready", "degraded", "not ready"]
    why: list[str]
