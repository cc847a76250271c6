"""What goes over the wire: query parameters, bodies and replies. The description of the API is made from these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Verdict = Literal["allow", "block", "monitor", "exempt"]


class Sent(BaseModel):
    """Something that clients send: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


# What clients send


class Page(Sent):
    """A page of a listing."""

    limit: int = Field(100, ge=1, le=1000, description="Most items of a page.")
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before.")


class ListsPage(Page):
    """A page of lists."""

    kind: Literal["bundled", "own", "subscription"] | None = None


class RulesPage(Page):
    """A page of rules."""

    contains: str | None = Field(None, min_length=1, max_length=253, description="Only rules with this text in them.")


class AuditPage(Page):
    """A page of the audit trail."""

    actor: str | None = Field(None, max_length=300)
    object: str | None = Field(None, max_length=300)
    action: str | None = Field(None, max_length=300)


class Window(Sent):
    """A time window, [from, to)."""

    start: AwareDatetime | None = Field(None, alias="from", description="Left out: 24 hours before `to`.")
    end: AwareDatetime | None = Field(None, alias="to", description="Left out: now.")


class TopQuery(Window):
    """What most hits are about."""

    by: Literal["service", "vendor", "list", "domain", "group", "client"]
    limit: int = Field(100, ge=1, le=1000)


class SeriesQuery(Window):
    """Counts over time."""

    step_seconds: int = Field(3600, ge=60, le=86400 * 31, multiple_of=60)


class LogQuery(Window):
    """A page of the query log."""

    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=2000)
    client: str | None = Field(None, max_length=100)
    name: str | None = Field(None, max_length=300, description="This name and all below it.")
    group: str | None = Field(None, max_length=63)
    service: str | None = Field(None, max_length=127)
    verdict: Verdict | None = None


class ExplainQuery(Sent):
    """A name, asked for by a client."""

    name: str = Field(min_length=1, max_length=300)
    client: str = Field("127.0.0.1", max_length=100)
    type: str = Field("A", min_length=1, max_length=20)


class RulesBody(Sent):
    """Rules of a list."""

    block: list[str] = Field(
        [], description="'example.com' (and all below), '=example.com', '*.example.com', '/regex/'."
    )
    allow: list[str] = []


class ListBody(RulesBody):
    """A list to be: with rules of its own, or with a url that it is fetched from."""

    name: str = Field(description="Lower-case letters, digits and '-'.", examples=["house"])
    enabled: bool = True
    url: str | None = Field(None, description="http or https; then it has no rules of its own.")
    format: str | None = Field(None, description="auto, domains, hosts, adblock, dnsmasq, unbound or rpz.")
    refresh_seconds: int | None = Field(None, description="How often it is fetched; 86,400 unless given.")
    allow_private: bool = Field(False, description="Let the url lead to private and local addresses.")
    sha256: str | None = Field(None, description="What is fetched must have this SHA-256.")


class ListPut(RulesBody):
    """A list as it is to be; rules only where it is new."""

    name: str | None = None
    enabled: bool = True
    url: str | None = None
    format: str | None = None
    refresh_seconds: int | None = None
    allow_private: bool = False
    sha256: str | None = None


class ListPatch(Sent):
    """What can be changed of a list; its rules have a path of their own."""

    name: str | None = None
    enabled: bool | None = None
    url: str | None = None
    format: str | None = None
    refresh_seconds: int | None = None
    allow_private: bool | None = None
    sha256: str | None = None


class ResponseBody(Sent):
    """How blocked queries are answered."""

    mode: Literal["zero-ip", "nxdomain", "nodata", "refused", "address"] | None = None
    ttl_seconds: int | None = None
    ipv4: str | None = None
    ipv6: str | None = None


class GroupPatch(Sent):
    """What can be changed of a group (RFC 7396: null takes a value away)."""

    name: str | None = None
    description: str | None = None
    networks: list[str] | None = None
    exempt: bool | None = None
    mode: Literal["enforce", "monitor"] | None = None
    block: list[str] | None = Field(None, description="Left out or null: what the group `default` blocks.")
    allow: list[str] | None = None
    response: ResponseBody | None = None
    schedule: dict[str, Any] | None = None


class GroupBody(GroupPatch):
    """A group to be."""

    name: str = Field(examples=["research"])


class TokenBody(Sent):
    """A token to be."""

    name: str = Field(examples=["dashboard"])
    role: Literal["viewer", "operator", "lease", "admin"]
    owner: str = Field(min_length=1, max_length=200, description="Who answers for it.")
    expires_at: AwareDatetime | None = None
    expires: str | None = Field(None, description="Instead of `expires_at`: '90d', '12h'.")


# What is sent back


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
    """A page of the query log, newest first."""

    items: list[LogItem]
    next: str | None


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
    store: dict[str, Any]
    upstreams: list[dict[str, Any]]
    lists: list[dict[str, Any]]


class Health(BaseModel):
    """Alive."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether a policy is served, and why it may not be the newest."""

    status: Literal["ready", "degraded", "not ready"]
    why: list[str]
