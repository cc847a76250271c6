"""Request models that many resources share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from resolver.config.fields import Moment

LONGEST_NAME = 1024  # characters: 255 octets, each of which may be written as \DDD (RFC 1035 section 5.1)
Verdict = Literal["allow", "block", "monitor", "exempt"]


class Sent(BaseModel):
    """Something that clients send: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Page(Sent):
    """A page of a listing."""

    limit: int = Field(100, ge=1, le=1000, description="Most items of a page.")
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before.")


class ListsPage(Page):
    """A page of lists."""

    kind: Literal["bundled", "own", "subscription"] | None = None


class GroupsPage(Page):
    """A page of groups."""

    contains: str | None = Field(
        None, min_length=1, max_length=253, description="Only those with this text in name or description."
    )


class RulesPage(Page):
    """A page of rules."""

    contains: str | None = Field(None, min_length=1, max_length=253, description="Only rules with this text in them.")


class AuditPage(Page):
    """A page of the audit trail."""

    actor: str | None = Field(None, max_length=300)
    object: str | None = Field(None, max_length=300)
    action: str | None = Field(None, max_length=300)


class AuditExport(Sent):
    """A part of the audit trail, oldest first."""

    after_id: int = Field(0, ge=0, le=1 << 62, description="`id` of the last row that is there already.")
    start: Moment | None = Field(None, alias="from", description="Only rows from then on.")
    limit: int = Field(10_000, ge=1, le=10_000)


class Window(Sent):
    """A time window, [from, to)."""

    start: Moment | None = Field(None, alias="from", description="Left out: 24 hours before `to`.")
    end: Moment | None = Field(None, alias="to", description="Left out: now.")


class TopQuery(Window):
    """Parameters of the ranking by hits."""

    by: Literal["service", "vendor", "list", "domain", "group", "client", "exemption"]
    limit: int = Field(100, ge=1, le=1000)


class SeriesQuery(Window):
    """Counts over time."""

    step_seconds: int = Field(3600, ge=60, le=86400 * 31, multiple_of=60)


class LogQuery(Window):
    """A page of the query log."""

    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before, with the same filters.")
    after: str | None = Field(
        None, max_length=2000, description="`newest` of an earlier page: only what was written since."
    )
    client: str | None = Field(None, max_length=100)
    name: str | None = Field(None, max_length=LONGEST_NAME, description="This name and all below it.")
    contains: str | None = Field(None, min_length=1, max_length=253, description="Names with this text in them.")
    group: str | None = Field(None, max_length=63)
    service: str | None = Field(None, max_length=127)
    verdict: Verdict | Literal["failed", "refused"] | None = None


class ExplainQuery(Sent):
    """A name, asked for by a client."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    client: str = Field("127.0.0.1", max_length=100)
    client_name: str = Field("", max_length=63, description="What the client calls itself by DoT or DoH.")
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
    allow_private: bool = Field(False, description="Let the url lead to private and local addresses; for admins.")
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
    client_names: list[str] | None = Field(
        None, description="What its clients call themselves by DoT or DoH; each in one group only."
    )
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
    expires_at: Moment | None = None
    expires: str | None = Field(None, description="Instead of `expires_at`: '90d', '12h'.")
    networks: list[str] | None = Field(None, description="Role lease: whose addresses it may lease; left out: any.")
    groups: list[str] | None = Field(None, description="Role lease: into which groups it may lease; left out: any.")


class AcknowledgeBody(Sent):
    """Why rows of the audit trail are gone."""

    reason: str = Field(min_length=1, max_length=1000, examples=["restored from the backup of Monday"])


class FlushBody(Sent):
    """Which cached answers to forget."""

    name: str | None = Field(None, min_length=1, max_length=LONGEST_NAME, description="Left out: all of them.")
    below: bool = Field(True, strict=True, description="Those of all names below it, too.")
