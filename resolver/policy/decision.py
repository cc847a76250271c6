"""Decisions of a policy on one name for one client, as facts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from resolver.policy.rule_layer import Member


class Verdict(StrEnum):
    """Verdicts on a query."""

    ALLOW = "allow"  # no block rule in force, or an allow rule was stronger
    BLOCK = "block"  # answered with the sinkhole
    MONITOR = "monitor"  # would have been blocked; the group only watches
    EXEMPT = "exempt"  # would have been blocked; the client's group is exempt, or an exemption covers it


@dataclass(slots=True, init=False)  # one is made for many queries, and that of dataclass is never compiled
class MatchedRule:
    """The rule that decided, and where it stands. `key` is its name's; `meaning` the rest (policy.rule_layer)."""

    list: str  # the list's name; a bundled service's list has the service's name
    meaning: Member
    key: bytes
    action: str  # "allow" or "block", as it counts for the group

    def __init__(self, in_list: str, meaning: Member, key: bytes, action: str) -> None:
        self.list = in_list
        self.meaning = meaning
        self.key = key
        self.action = action

    @property
    def text(self) -> str:
        """The rule as it is written."""
        return self.meaning.rule(self.key).text


@dataclass(slots=True, init=False)
class Decision:
    """The outcome of one name for one view. Nobody changes it; it is not frozen because one is made for many queries.

    `rule` is None when no rule that the group has in force matches. `service` is the service that the name belongs to,
    whichever list decided. `despite_block`: the name goes through although a block rule matches, so its TTL is capped.
    `response` is an answer mode that the catalogue forces, whatever the group's. `exemption` is the id of the one that
    let the name through.
    """

    verdict: Verdict
    group: str
    rule: MatchedRule | None
    service: str | None
    despite_block: bool
    response: str | None
    exemption: str | None

    def __init__(
        self,
        verdict: Verdict,
        group: str,
        rule: MatchedRule | None = None,
        service: str | None = None,
        despite_block: bool = False,
        response: str | None = None,
        exemption: str | None = None,
    ) -> None:
        self.verdict = verdict
        self.group = group
        self.rule = rule
        self.service = service
        self.despite_block = despite_block
        self.response = response
        self.exemption = exemption

    @property
    def lets_targets_through(self) -> bool:
        """Whether names that the answer leads to are not judged again: the query was let through on purpose."""
        return self.rule is not None and self.verdict is not Verdict.BLOCK and self.verdict is not Verdict.MONITOR

    @property
    def what(self) -> str:
        """The thing blocked, in a word: the service, else the list."""
        return self.service or (self.rule.list if self.rule else "")
