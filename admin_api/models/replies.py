"""What is sent back of policy, statistics and the node."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field


class Refresh(BaseModel):
    """How far the fetching of a list is."""

    state: Literal["idle", "waiting", "fetching", "reading", "compiling"]
    received_bytes: int
    total_bytes: int | None
    started_at: AwareDatetime | None
    next_at: AwareDatetime | None
    last_attempt_at: AwareDatetime | None
    report: dict[str, Any] | None = Field(description="What of the copy could not be read or expressed.")


class ListItem(BaseModel):
    """A list."""

    name: str
    kind: Literal["bundled", "own", "subscription"]
    origin: Literal["bundled", "file", "api"]
    enabled: bool
    url: str | None
    format: str | None
    refresh_seconds: int | None
    rules: int
    created_at: AwareDatetime | None
    updated_at: AwareDatetime | None
    last_success_at: AwareDatetime | None
    last_error: str | None
    allow_private: bool = False
    sha256: str | None = None
    refresh: Refresh | None = Field(None, description="Of lists that are fetched.")


class Lists(BaseModel):
    """A page of lists."""

    items: list[ListItem]
    next: str | None


class RuleItem(BaseModel):
    """A rule of a list."""

    action: Literal["block", "allow"]
    rule: str


class Rules(BaseModel):
    """A page of rules."""

    items: list[RuleItem]
    next: str | None


class Added(BaseModel):
    """How many rules were new."""

    added: int
    revision: int


class Deleted(BaseModel):
    """How many rules were there to be removed."""

    deleted: int
    revision: int


class Accepted(BaseModel):
    """A large write that is stored, and comes in force: /status shows the revision."""

    revision: int


class GroupItem(BaseModel):
    """A group."""

    name: str
    description: str
    networks: list[str]
    client_names: list[str]
    exempt: bool
    mode: Literal["enforce", "monitor"]
    block: list[str] | None
    allow: list[str]
    response: dict[str, Any] | None
    schedule: dict[str, Any] | None
    origin: Literal["bundled", "file", "api"]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Groups(BaseModel):
    """A page of groups."""

    items: list[GroupItem]
    next: str | None


class CatalogueDomainItem(BaseModel):
    """A rule of the catalogue."""

    rule: str
    surface: str
    needed_by: list[str]
    response: str | None
    source: str
    seen: str
    note: str | None


class CatalogueShared(BaseModel):
    """A name that innocent services stand on too: known, and not in force."""

    rule: str
    surface: str
    reason: str
    source: str
    seen: str


class CatalogueService(BaseModel):
    """A service."""

    id: str
    name: str
    description: str
    domains: list[CatalogueDomainItem]
    shared: list[CatalogueShared]


class CatalogueVendor(BaseModel):
    """A vendor, a gateway, or (`bypass`) the ways round the resolver."""

    vendor: str
    name: str
    kind: Literal["vendor", "gateway", "bypass"]
    serves_models_of: list[str]
    limits: list[str] = Field(description="What DNS cannot separate there, and what else breaks.")
    services: list[CatalogueService]


class CatalogueDifference(BaseModel):
    """Rules with their service, more and less."""

    added: list[str]
    removed: list[str]


class CatalogueReply(BaseModel):
    """The catalogue in force; `waiting` is what a new version would change, where it is held back."""

    fingerprint: str
    waiting: CatalogueDifference | None
    own_vendors: list[str] = Field(description="That bundled and subscribed rules do not touch (policy.own_vendors).")
    vendors: list[CatalogueVendor]


class Explained(BaseModel):
    """What becomes of a query, and why."""

    name: str
    type: str
    client: str
    group: dict[str, str | None]
    verdict: Literal["allow", "block", "monitor", "exempt", "refused"]
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    response: dict[str, Any] | None
    trace: Annotated[list[dict[str, str]], Field(description="step, outcome, detail")]  # type: ignore[valid-type]
    revision: int


class Summary(BaseModel):
    """Counts of a window; `clients` is null where they are hidden, and within 1.6 % above 4,096."""

    start: AwareDatetime = Field(serialization_alias="from")
    end: AwareDatetime = Field(serialization_alias="to")
    queries: int
    blocked: int
    cached: int
    forwarded: int
    failed: int
    refused: int
    monitored: int
    exempted: int
    clients: int | None


class TopItem(BaseModel):
    """One key and its hits."""

    key: str
    blocked: int
    monitored: int
    exempted: int


class Top(BaseModel):
    """What most hits are about."""

    items: list[TopItem]


class SeriesItem(BaseModel):
    """One step."""

    at: AwareDatetime
    queries: int
    blocked: int
    monitored: int
    exempted: int


class Series(BaseModel):
    """Counts over time."""

    items: list[SeriesItem]


class LogItem(BaseModel):
    """A logged query."""

    at: str
    client: str | None
    group: str | None
    name: str
    type: str | None
    rcode: str | None
    verdict: str
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    protocol: str
    duration_ms: float


class Log(BaseModel):
    """A page of the query log, newest first. It may be short, or empty, and still have a `next`: its time was over."""

    items: list[LogItem]
    next: str | None = Field(description="`cursor` to go on; null when all was searched.")
    searched_to: AwareDatetime | None = Field(description="Down to when was searched; null for nothing, or for all.")
    newest: str | None = Field(description="`after` to get what comes later; null with a `cursor`.")


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


class TokenItem(BaseModel):
    """A token, without its secret."""

    name: str
    owner: str
    role: Literal["viewer", "operator", "lease", "admin"]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None


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
    upstreams: list[dict[str, Any]]
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
