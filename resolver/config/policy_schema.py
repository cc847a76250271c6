"""The policy's section: lists, groups, and how blocked queries are answered."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from resolver.config import fields
from resolver.config.catalogue_schema import CatalogueField, CatalogueSection
from resolver.config.fields import NUMBER, Switch
from resolver.config.schedule import ScheduleSection
from resolver.config.section import Section
from resolver.config.subscription import SubscriptionFields

_DAY = 86400
ResponseMode = Literal["zero-ip", "nxdomain", "nodata", "refused", "address"]
GroupMode = Literal["enforce", "monitor"]

DEFAULT_GROUP: Final = "default"
"""The group of every client that no other group claims."""

DEFAULT_BLOCK: Final = ("ai", "bypass", "lists")
"""Names that the default group blocks unless it says otherwise."""


class Response(Section):
    """Answer to a blocked query. Complete in itself: a group's takes nothing from the policy's."""

    mode: Annotated[ResponseMode, fields.one_of("zero-ip", "nxdomain", "nodata", "refused", "address")] = "zero-ip"
    """'zero-ip': 0.0.0.0 and '::'; 'address': `ipv4` and `ipv6`, for example those of a block page."""
    ttl_seconds: Annotated[int, Field(ge=0, le=_DAY), NUMBER] = 10
    """TTL of the answer, in seconds: how late a change is noticed by a client that has asked before."""
    ipv4: fields.Ipv4 | None = None
    """The IPv4 address that mode 'address' answers with."""
    ipv6: fields.Ipv6 | None = None
    """The IPv6 address that mode 'address' answers with."""

    @model_validator(mode="after")
    def _address_has_one(self) -> Response:
        if self.mode == "address" and self.ipv4 is None and self.ipv6 is None:
            why = "is 'address', but no address is given: add ipv4, ipv6 or both beside it"
            fields.raise_mistakes([fields.mistake(why, self.mode, "mode")])
        return self


class OwnList(SubscriptionFields):
    """A list of rules: one that the company keeps itself, or one that is fetched (`url`)."""

    name: fields.Name
    """Name of the list in groups: lower-case letters, digits and '-'."""
    block: fields.BlockRules = ()
    """Rules: 'example.com' (the name and all below), '=example.com', '*.example.com' (only below)."""
    allow: fields.AllowRules = ()
    """Rules for names to allow; at the same name, allow beats block."""

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> OwnList:
        if self.url is not None and (self.block or self.allow):
            side = "block" if self.block else "allow"
            why = "is not allowed with a url: a list is fetched, or has its own rules; make two lists"
            fields.raise_mistakes([fields.mistake(why, None, side)])
        return self


class Group(Section):
    """Networks with one policy. Without networks and client names, only leases and exemptions reach it."""

    name: fields.Name
    """The group's name: lower-case letters, digits and '-'."""
    description: Annotated[str, Field(max_length=1000), fields.reading(fields.read_prose)] = ""
    """A note for people."""
    networks: fields.Networks = ()
    """Networks in CIDR form, each in one group only; the most specific one decides."""
    client_names: fields.ClientNames = ()
    """Names that its clients call themselves by over DoT (NAME.server_name) or DoH (/dns-query/NAME), each in one group
    only. They go before networks, and prove nothing: whoever learns one may use it. 'proved:NAME' is a client whose
    certificate has that name (tls.clients)."""
    exempt: Switch = False
    """Let its queries through, and count what would have been blocked."""
    mode: Annotated[GroupMode, fields.one_of("enforce", "monitor")] = "enforce"
    """'monitor' answers normally and counts what would have been blocked."""
    block: fields.References | None = None
    """Blocked sets and names: 'ai', 'gateways', 'bypass', 'lists', a vendor, a 'vendor/service' or a list. Left out:
    those of the group 'default'."""
    monitor: fields.References = ()
    """Sets and names that are watched, written as in `block`: answered, and counted as monitored where they would have
    been blocked. What `block` blocks is blocked."""
    monitor_until: fields.Moment | None = None
    """End of that watch, a time with zone ('2026-12-10T08:00:00Z'). Then nothing is blocked or counted by it. Left out:
    it has no end."""
    allow: fields.References = ()
    """Sets and names that are allowed even if blocked; written as in `block`."""
    schedule: ScheduleSection | None = None
    """Windows in which the policy is enforced; outside them the group is only monitored."""
    response: Response | None = None
    """The answer to blocked queries; left out: the policy's."""
    _is_built_in: bool = PrivateAttr(False)
    _follows_default: bool = PrivateAttr(False)

    @property
    def is_built_in(self) -> bool:
        """Whether it is the default group that no file gave."""
        return self._is_built_in

    @property
    def follows_default(self) -> bool:
        """Whether `block` was left out, and is the default group's."""
        return self._follows_default


def _complete(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Add the built-in default group where none is given, and fill in every `block` that was left out."""
    default = next((group for group in groups if group.name == DEFAULT_GROUP), None)
    if default is None:
        default = Group(name=DEFAULT_GROUP)
        default._is_built_in = True
        groups = (default, *groups)
    block = DEFAULT_BLOCK if default.block is None else default.block

    def completed(group: Group) -> Group:
        if group.block is not None:
            return group
        copy = group.model_copy(update={"block": block})
        copy._follows_default = True
        return copy

    return tuple(completed(group) for group in groups)


class Policy(Section):
    """The policy: what is blocked, for whom, and how."""

    own_vendors: fields.References = ()
    """Vendors whose services are the company's own: bundled and subscribed rules for them are left out."""
    response: Response = Response()
    """The answer to blocked queries."""
    catalogue: CatalogueField = CatalogueSection()
    """The catalogue's versions: how a new one is taken ('auto' or 'review'), and where signed ones come from."""
    approval: Annotated[Literal["none", "four-eyes"], fields.one_of("none", "four-eyes")] = "none"
    """'four-eyes': what opens a name, and a new token, waits until a token of another owner than the asking one's
    approves it."""
    look_approval: Annotated[Literal["none", "four-eyes"], fields.one_of("none", "four-eyes")] = "none"
    """'four-eyes': each look at persons waits for another owner, too; needs `approval: four-eyes`."""
    longest_exemption_seconds: Annotated[int, Field(ge=1, le=10 * 366 * _DAY), NUMBER] = 366 * _DAY
    """The longest that an exemption may last, in seconds."""
    longest_pause_seconds: Annotated[int, Field(ge=1, le=366 * _DAY), NUMBER] = _DAY
    """The longest that a pause may last, in seconds."""
    longest_emergency_pause_seconds: Annotated[int, Field(ge=0, le=3600), NUMBER] = 3600
    """With four eyes, how long one owner alone may pause within a day, in seconds."""
    most_change_requests: Annotated[int, Field(ge=1, le=10_000), NUMBER] = 200
    """With four eyes, the most changes that wait for another owner."""
    change_request_seconds: Annotated[int, Field(ge=60, le=366 * _DAY), NUMBER] = 7 * _DAY
    """With four eyes, how long a change waits for another owner before it lapses, in seconds."""
    lists: tuple[OwnList, ...] = ()
    """Lists: the company's own, and those that are fetched."""
    groups: Annotated[tuple[Group, ...], AfterValidator(_complete)] = Field(
        default=(),
        validate_default=True,
        json_schema_extra={"default": [{"name": DEFAULT_GROUP, "block": list(DEFAULT_BLOCK)}]},
    )
    """Groups of networks. 'default' holds every client that no other group claims."""

    @model_validator(mode="after")
    def _looks_are_of_four_eyes(self) -> Policy:
        if self.look_approval == "four-eyes" and self.approval != "four-eyes":
            why = "needs policy.approval: four-eyes, by which another owner agrees to anything"
            fields.raise_mistakes([fields.mistake(why, self.look_approval, "look_approval")])
        return self
