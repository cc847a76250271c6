"""Findings: the policy's decision on a name for a client, from the code that explains and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from blocklists.feed.place import CurrentCatalogue
from resolver.answering.explaining import Access, explain_query
from resolver.config.list_rules import read_block_rule
from resolver.errors import RuleError
from resolver.policy.decision import Verdict
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import BYPASS
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.wire.names import parse_name

_BYPASS = "It is a way around the company's DNS resolver, which stays blocked for everybody."
_NO_NAME = "There are no exemptions for this name."


@dataclass(frozen=True, slots=True)
class NameFinding:
    """A name and a client. `scope` is what an exemption for it would be for; None: `closed` says why there is none."""

    name: str
    client: str
    is_blocked: bool
    group: str
    via: str  # how the client came to its group, in words
    service: str | None  # its name; `service_id` as the policy writes it
    service_id: str | None
    vendor: str | None
    decided_by: str  # in words
    scope: str | None
    closed: str
    exemption: str | None  # the id of the one that lets it through
    exempt_until: datetime | None


class Findings:
    """Looks names up."""

    def __init__(
        self,
        policy: Callable[[], PolicySnapshot | None],
        access: Access,
        subjects: Callable[[], Subjects],
        catalogue: CurrentCatalogue,
    ) -> None:
        self._policy = policy
        self._access = access
        self._subjects = subjects
        self._catalogue = catalogue

    def of(self, client: str, name: str) -> NameFinding | None:
        """Find how a client that asks for `name` is answered; None while there is no policy yet."""
        policy = self._policy()
        if policy is None:
            return None
        told = explain_query(
            policy, self._access, parse_name(name), client=client, qtype="A", subjects=self._subjects(), now=now()
        )
        catalogue = self._catalogue.catalogue
        service = catalogue.services.get(told.service or "")
        vendor = catalogue.about.get(service.vendor) if service else None
        is_of_catalogue = told.list is not None and told.list == told.service
        scope, closed = _scope(name, told.service, is_of_catalogue=is_of_catalogue)
        return NameFinding(
            name=name,
            client=told.client,
            is_blocked=told.verdict == Verdict.BLOCK,
            group=str(told.group["name"]),
            via=_via(str(told.group["via"]), told.group["network"]),
            service=service.name if service else None,
            service_id=told.service,
            vendor=vendor.name if vendor else None,
            decided_by=f"rule {told.rule} of " + ("the catalogue" if is_of_catalogue else f"the list {told.list}"),
            scope=scope,
            closed=closed,
            exemption=told.exemption,
            exempt_until=self._end_of(told.exemption),
        )

    def _end_of(self, exemption: str | None) -> datetime | None:
        found = self._subjects().find("exemption", exemption) if exemption else None
        return datetime.fromtimestamp(found.ends.wall, UTC) if found else None


def _via(via: str, network: str | None) -> str:
    """How a client came to its group."""
    if via == "default":
        return "the group of all clients in no other group"
    return f"by your network, {network}" if via == "network" else f"by your {via}"


def _scope(name: str, service: str | None, *, is_of_catalogue: bool) -> tuple[str | None, str]:
    """The scope that an exemption would have: the service where the catalogue decides, else the name with all below."""
    if service is not None and service.partition("/")[0] == BYPASS:
        return None, _BYPASS
    if is_of_catalogue:
        return service, ""
    if "." not in name:
        return None, _NO_NAME
    try:
        return read_block_rule(name), ""
    except RuleError:  # a public suffix
        return f"={name}", ""
