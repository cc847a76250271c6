"""Explanation of one decision, in words, from the very code that decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resolver.policy.decision import Decision, MatchedRule, Verdict
from resolver.policy.groups import CompiledGroup, parse_client
from resolver.policy.moments import Moment
from resolver.policy.rule_layer import Match, Rank
from resolver.policy.situation import Situation, situation_of
from resolver.policy.snapshot import PolicySnapshot, decision_on
from resolver.policy.standing import Standing, View, standing_of, watched_block
from resolver.policy.subjects import Subjects
from resolver.policy.telling import Step, situation_steps
from resolver.wire.names import key_of, to_text

_RANKS = {
    Rank.OWN: "own list",
    Rank.BUNDLED: "catalogue",
    Rank.SUBSCRIPTION: "subscription",
    Rank.FEED: "catalogue feed",
}


@dataclass(frozen=True, slots=True)
class ExplainedResponse:
    """Answer of the resolver's own to a blocked name, and the reason for its mode."""

    mode: str
    ttl_seconds: int
    ipv4: str | None
    ipv6: str | None
    type: str
    because: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with its trace; the fields of the API's `/explain`."""

    name: str
    type: str
    client: str
    identity: str | None  # whose the client is, by its certificate or lease
    group: dict[str, str | None]
    verdict: str
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    response: ExplainedResponse | None
    trace: Sequence[Step]
    revision: int


def explain(
    policy: PolicySnapshot,
    wire_name: bytes,
    client: str,
    qtype: str,
    *,
    subjects: Subjects,
    now: Moment,
    client_name: str = "",
) -> Explanation:
    """Decide `wire_name` for the address `client` of that name (proved_names) in its normal form, and say why.

    Raises ValueError for what is no address.
    """
    address = parse_client(client)
    situation = situation_of(policy, subjects, address, now, client_name)
    view = situation.view
    key = key_of(wire_name)
    matches = policy.stack.matches(key, policy.stack.walk(key))
    standing = standing_of(policy.stack, view, matches)
    watched = watched_block(policy.stack, view, matches, standing)
    decision = decision_on(policy.stack, view, matches, key)
    trace = [
        *situation_steps(policy, situation, address, now),
        *_rule_steps(policy, view, matches),
        _rule_verdict(standing),
        *_block_steps(policy, situation, standing, decision, key),
        *_watch_steps(policy, situation, watched, decision, key),
    ]
    response = _response(view.group, decision, qtype) if decision.verdict is Verdict.BLOCK else None
    if response:
        trace.append(Step("response", response.mode, f"TTL {response.ttl_seconds} s, {response.because}"))
    else:
        judged = (
            "whatever names it leads to" if decision.lets_targets_through else "names that it leads to are checked too"
        )
        trace.append(Step("response", "forwarded", f"answered from cache or upstream; {judged}"))
    network = situation.network
    return Explanation(
        name=to_text(wire_name),
        type=qtype,
        client=str(address),
        identity=situation.identity,
        group={"name": view.group.name, "via": situation.via, "network": str(network or "") or None},
        verdict=str(decision.verdict),
        service=decision.service,
        list=decision.rule.list if decision.rule else None,
        rule=decision.rule.text if decision.rule else None,
        exemption=decision.exemption,
        response=response,
        trace=trace,
        revision=policy.revision,
    )


def _rule_steps(policy: PolicySnapshot, view: View, matches: list[Match]) -> list[Step]:
    """Every rule that matches, longest name first, and whether the group has it in force."""
    steps = []
    of_catalogue = None  # the place of its strongest match; the others do not say whose a name is
    for place, (key, rule_set) in enumerate(matches):
        for member in rule_set:
            source = policy.stack.sources[member.source]
            if source.rank is Rank.BUNDLED:
                of_catalogue = place if of_catalogue is None else of_catalogue
            action = "allow" if member.allow else "block"
            detail = f"{action} rule {member.rule(key).text} of {_RANKS[source.rank]} {source.name}"
            if member.needed_by:
                detail += ", needed by " + ", ".join(policy.stack.sources[index].name for index in member.needed_by)
            if source.rank is Rank.BUNDLED and place != of_catalogue:
                outcome = "left to stronger"
            elif member.source in view.allowed or not view.allowed.isdisjoint(member.needed_by):
                outcome = "allowed by the group"
            elif member.source not in view.blocked:
                is_watched = member.source in view.blocked_or_watched
                outcome = "watched by the group" if is_watched else "not in force for the group"
            elif source.vendor in view.own_vendors:
                outcome = "left out: own vendor"
            else:
                outcome = "in force"
            steps.append(Step("rule", outcome, detail))
    return steps or [Step("rule", "none", "no list has a rule for this name or a name above it")]


def _rule_verdict(standing: Standing) -> Step:
    rule, overridden = standing.deciding, standing.overridden
    if rule is None:
        return Step("decision", "allow", "no rule in force decides")
    detail = _words(rule)
    if overridden:
        detail += f"; without it, {_words(overridden)} would block"
    return Step("decision", rule.action, detail)


def _words(rule: MatchedRule) -> str:
    return f"{rule.text} of {rule.list}"


def _block_steps(
    policy: PolicySnapshot, situation: Situation, standing: Standing, decision: Decision, key: bytes
) -> list[Step]:
    """Steps that exemptions and mode add to a block."""
    if standing.deciding is None or standing.deciding.action != "block":
        return []
    group = situation.view.group
    steps = []
    if group.exempt:
        steps.append(
            Step("exempt", "not covered", "a way around the resolver stays blocked for exempt groups too")
            if standing.is_bypass
            else Step("exempt", "exempt", f"group {group.name} is exempt")
        )
    for exemption in situation.exemptions:
        scope = ", ".join(exemption.scope)
        if standing.is_bypass:
            steps.append(Step("exemption", "not covered", f"{exemption.id}: a way around the resolver stays blocked"))
        elif not policy.grant_of(exemption).covers(standing, key):
            steps.append(Step("exemption", "not covered", f"{exemption.id} is for {scope}, not for this name"))
        elif decision.exemption == exemption.id:
            steps.append(Step("exemption", "exempt", f"{exemption.id} covers it: {scope}"))
        else:
            steps.append(Step("exemption", "not needed", f"{exemption.id} covers it too: {scope}"))
    if decision.verdict is Verdict.MONITOR:
        why = "only watches" if group.monitor else "is only monitored for now (see pause and schedule)"
        steps.append(Step("mode", "monitor", f"group {group.name} {why}"))
    return steps


def _watch_steps(
    policy: PolicySnapshot, situation: Situation, watched: Standing | None, decision: Decision, key: bytes
) -> list[Step]:
    """Steps on a name that only what the group watches would block."""
    if watched is None or watched.deciding is None:
        return []
    rule, group = watched.deciding, situation.view.group
    source = policy.stack.sources[rule.meaning.source].key
    by = ", ".join(name for name, sources in group.watch.named if source in sources)
    would = f"{_words(rule)} would block it if group {group.name} blocked {by}"
    if decision.verdict is Verdict.MONITOR:
        return [Step("watch", "monitor", f"{would}, which it only watches")]
    covering = next((one.id for one in situation.exemptions if policy.grant_of(one).covers(watched, key)), None)
    why = f"group {group.name} is exempt" if group.exempt else f"{covering} covers it"
    return [Step("watch", "not counted", f"{would}; but {why}")]


def _response(group: CompiledGroup, decision: Decision, qtype: str) -> ExplainedResponse:
    response = group.response
    forced = decision.response is not None
    because = "required by the catalogue" if forced else f"set by group {group.name}"
    mode = decision.response or response.mode
    return ExplainedResponse(mode, response.ttl_seconds, response.ipv4, response.ipv6, qtype, because)
