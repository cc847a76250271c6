"""The why of a decision."""

from __future__ import annotations

from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.explain import Explanation, explain
from resolver.policy.groups import CompiledGroup
from resolver.policy.moments import End
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.subjects import Lease, Subjects
from resolver.snapshot.clocks import now
from resolver.wire.names import parse_name

BLOCK = frozenset({"acme/chat", "house", "bypass/canary"})
POLICY = policy_in_memory(
    compile_rules(
        [
            RuleSource(Source("acme/chat", Rank.BUNDLED), [SourceRule(parse_rule("acme.ai"))]),
            RuleSource(
                Source("bypass/canary", Rank.BUNDLED), [SourceRule(parse_rule("=c.example"), response="nxdomain")]
            ),
            RuleSource(Source("house", Rank.OWN), [SourceRule(parse_rule("ok.acme.ai"), allow=True)]),
        ]
    ),
    compile_groups(
        [
            CompiledGroup("default", block=BLOCK),
            CompiledGroup("lab", networks=("10.0.0.0/8",), exempt=True, block=BLOCK),
            CompiledGroup("legal", networks=("10.30.0.0/24",), monitor=True, block=BLOCK),
            CompiledGroup("kiosk", client_names=("kiosk-7",), block=BLOCK),
        ],
        [],
    ),
    revision=12,
)


def told(name: str, client: str = "192.0.2.1", client_name: str = "", subjects: Subjects | None = None) -> Explanation:
    return explain(
        POLICY,
        parse_name(name),
        client,
        "A",
        subjects=subjects or Subjects(),
        now=now(),
        client_name=client_name,
    )


def steps(explanation: Explanation) -> dict[str, str]:
    return {step.step: step.outcome for step in explanation.trace}


def test_a_blocked_name_is_told_with_group_rule_and_response() -> None:
    explanation = told("www.acme.ai")
    assert explanation.verdict == "block"
    assert explanation.group == {"name": "default", "via": "default", "network": None}
    assert (explanation.service, explanation.list, explanation.rule) == ("acme/chat", "acme/chat", "acme.ai")
    assert explanation.response is not None
    assert explanation.response.mode == "zero-ip"
    assert explanation.revision == 12
    assert steps(explanation) == {
        "group": "default",
        "rule": "in force",
        "decision": "block",
        "response": "zero-ip",
    }


def test_a_client_name_is_told_and_what_it_left_behind() -> None:
    explanation = told("acme.ai", "10.1.1.1", "kiosk-7")
    assert explanation.verdict == "block"
    assert explanation.group == {"name": "kiosk", "via": "client name", "network": "10.0.0.0/8"}
    told_steps = [(step.step, step.outcome) for step in explanation.trace[:3]]
    assert told_steps == [("client name", "chosen"), ("network", "left to the client name"), ("group", "kiosk")]
    unknown = told("acme.ai", "10.1.1.1", "kiosk-8")
    assert (unknown.group["via"], steps(unknown)["client name"]) == ("network", "unknown")
    moment = now()
    lease = Lease("10.1.1.1", "ana", "legal", End.at(moment.wall + 60, moment))
    leased = told("acme.ai", "10.1.1.1", "kiosk-7", Subjects([lease]))
    assert (leased.group["via"], steps(leased)["client name"]) == ("lease", "left to the lease")


def test_a_proved_name_is_told_as_proved() -> None:
    moment = now()
    lease = Lease("10.1.1.1", "ana", "legal", End.at(moment.wall + 60, moment))
    proved = told("acme.ai", "10.1.1.1", "proved:kiosk-7", Subjects([lease]))
    assert proved.group == {"name": "kiosk", "via": "certificate", "network": "10.0.0.0/8"}
    assert (steps(proved)["client name"], steps(proved)["lease"]) == ("proved", "left to the certificate")
    nobodys = told("acme.ai", "10.1.1.1", "proved:x@corp.example")
    assert (nobodys.group["via"], steps(nobodys)["client name"]) == ("network", "proved")


def test_an_allowed_name_tells_which_block_it_overrode() -> None:
    explanation = told("ok.acme.ai")
    assert explanation.verdict == "allow"
    decision = next(step for step in explanation.trace if step.step == "decision")
    assert decision.detail == "ok.acme.ai of house; without it, acme.ai of acme/chat would block"


def test_an_exempt_client_is_told_the_network_that_exempts_it() -> None:
    explanation = told("acme.ai", "10.1.1.1")
    assert explanation.verdict == "exempt"
    assert explanation.group == {"name": "lab", "via": "network", "network": "10.0.0.0/8"}
    assert explanation.response is None


def test_a_canary_is_told_as_closed_for_exempt_groups_with_the_catalogues_response() -> None:
    explanation = told("c.example", "10.1.1.1")
    assert explanation.verdict == "block"
    assert explanation.response is not None
    assert explanation.response.mode == "nxdomain"
    assert steps(explanation)["exempt"] == "not covered"


def test_a_monitored_name_tells_the_mode() -> None:
    explanation = told("acme.ai", "10.30.0.1")
    assert explanation.verdict == "monitor"
    assert steps(explanation)["mode"] == "monitor"


def test_a_name_without_rules_says_so() -> None:
    explanation = told("example.net")
    assert explanation.verdict == "allow"
    assert steps(explanation)["rule"] == "none"
