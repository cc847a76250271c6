"""Names that a group watches are answered, and counted as what would have been blocked; no answer changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.compiler import RuleSource, compile_groups, compile_rules, policy_in_memory
from resolver.policy.decision import Verdict
from resolver.policy.explain import explain
from resolver.policy.groups import CompiledGroup, Watch, parse_client
from resolver.policy.moments import End, Moment
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.situation import Situation, situation_of
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Exemption, Subjects
from resolver.policy.targets import judge_targets
from resolver.wire.names import key_of, parse_name
from tests.support.examples import examples

from .test_decide import allow, block, feed, own

NOW = Moment(1_765_000_000.0, 500.0)
RULES = [
    RuleSource(Source("acme/chat", Rank.BUNDLED), block("acme.ai", needed_by=("cloud/models",))),
    RuleSource(Source("cloud/models", Rank.BUNDLED), block("models.cloud.example", "acme.ai", "api.acme.ai")),
    RuleSource(Source("bypass/doh", Rank.BUNDLED), block("doh.example")),
    own("house", [*block("house.example", "both.example"), *allow("fine.example")]),
    own("watched", [*block("both.example", "fine.example", "seen.example"), *allow("acme.ai", "x.seen.example")]),
    feed("feed", block("feed.example", "/regex[0-9]/", "*.pattern*.example", "ip:192.0.2.0/24")),
]
NAMES = ("acme.ai", "api.acme.ai", "models.cloud.example", "doh.example", "house.example", "both.example")
NAMES += ("fine.example", "seen.example", "x.seen.example", "feed.example", "regex7.example", "a.pattern1.example")
SOURCES = ("acme/chat", "cloud/models", "bypass/doh", "house", "watched", "feed")


def policy(*, monitor: dict[str, tuple[str, ...]], until: float | None = None, **group: Any) -> PolicySnapshot:
    watch = Watch(tuple((name, frozenset(sources)) for name, sources in monitor.items()), until)
    scopes = {"cloud": ["cloud/models"], "acme": ["acme/chat"]}
    return policy_in_memory(
        compile_rules(RULES), compile_groups([CompiledGroup("default", watch=watch, **group)], [], scopes), 7
    )


CLOUDS = {"clouds": ("cloud/models",)}
BLOCK = frozenset({"acme/chat", "bypass/doh", "house"})


def stand(snapshot: PolicySnapshot, *held: Exemption, now: Moment = NOW) -> Situation:
    return situation_of(snapshot, Subjects(held), parse_client("10.0.0.1"), now)


def verdict(snapshot: PolicySnapshot, name: str, *held: Exemption, now: Moment = NOW) -> str:
    return str(snapshot.decide(stand(snapshot, *held, now=now).view, key_of(parse_name(name))).verdict)


def told(snapshot: PolicySnapshot, name: str, *held: Exemption, now: Moment = NOW) -> dict[str, list[str]]:
    """The steps of an explanation, by step: outcome and detail."""
    explained = explain(snapshot, parse_name(name), "10.0.0.1", "A", subjects=Subjects(held), now=now)
    assert explained.verdict == verdict(snapshot, name, *held, now=now)
    steps: dict[str, list[str]] = {}
    for step in explained.trace:
        steps.setdefault(step.step, []).append(f"{step.outcome}: {step.detail}")
    return steps


def exemption(scope: str) -> Exemption:
    return Exemption("ex-1", "client", ("10.0.0.1",), (scope,), NOW.wall - 1, End.at(NOW.wall + 60, NOW))


def test_what_is_watched_is_answered_and_counted_and_what_is_blocked_is_blocked() -> None:
    watching = policy(block=BLOCK, monitor=CLOUDS)
    assert verdict(watching, "models.cloud.example") == Verdict.MONITOR
    assert verdict(watching, "acme.ai") == Verdict.BLOCK  # which is watched, too
    assert verdict(watching, "other.example") == Verdict.ALLOW
    decision = watching.decide(stand(watching).view, key_of(parse_name("a.models.cloud.example")))
    assert (decision.service, decision.rule.text if decision.rule else None) == ("cloud/models", "models.cloud.example")


def test_a_block_wins_over_what_is_watched_whatever_their_ranks() -> None:
    # Its own list ranks above the catalogue, and its allow rule would win if it were in force.
    watching = policy(block=BLOCK, monitor={"watched": ("watched",)})
    assert [verdict(watching, name) for name in ("acme.ai", "both.example")] == [Verdict.BLOCK] * 2
    assert [verdict(watching, name) for name in ("seen.example", "x.seen.example")] == [Verdict.MONITOR, Verdict.ALLOW]


def test_an_allow_in_force_wins_over_what_is_watched() -> None:
    watching = policy(block=BLOCK, monitor={"watched": ("watched",)})
    assert verdict(watching, "fine.example") == Verdict.ALLOW
    allowing = policy(block=BLOCK, allow=frozenset({"cloud/models"}), monitor=CLOUDS)
    assert verdict(allowing, "models.cloud.example") == Verdict.ALLOW


def test_patterns_expressions_and_addresses_are_watched_too() -> None:
    watching = policy(monitor={"feed": ("feed",)})
    for name in ("feed.example", "regex7.example", "a.pattern1.example"):
        assert verdict(watching, name) == Verdict.MONITOR, name
    address = watching.decide_address(stand(watching).view, bytes((192, 0, 2, 7)))
    assert address is not None
    assert address.verdict is Verdict.MONITOR


def test_a_target_that_is_blocked_is_blocked_behind_a_name_that_is_watched() -> None:
    watching = policy(block=BLOCK, monitor=CLOUDS)
    view = stand(watching).view
    for held in ((), (exemption("cloud"),)):
        view = stand(watching, *held).view
        decision = watching.decide(view, key_of(parse_name("models.cloud.example")))
        targets = [key_of(parse_name("house.example"))]
        assert judge_targets(decision, targets, [], view, watching).verdict is Verdict.BLOCK


def test_the_end_of_a_watch_is_kept_to_the_moment() -> None:
    watching = policy(block=BLOCK, monitor=CLOUDS, until=NOW.wall + 90)
    before, at = stand(watching), stand(watching, now=Moment(NOW.wall + 90, NOW.boot + 90))
    assert (before.seconds, at.seconds) == (90, float("inf"))
    late = Moment(NOW.wall + 90, NOW.boot + 90)
    assert verdict(watching, "models.cloud.example") == Verdict.MONITOR
    assert verdict(watching, "models.cloud.example", now=late) == Verdict.ALLOW
    assert verdict(watching, "acme.ai", now=late) == Verdict.BLOCK
    assert before.view.number != at.view.number


def test_who_would_be_let_through_is_not_counted_and_nothing_is_opened_for_it() -> None:
    assert verdict(policy(block=BLOCK, monitor=CLOUDS), "models.cloud.example", exemption("cloud")) == Verdict.ALLOW
    assert verdict(policy(block=BLOCK, monitor=CLOUDS), "models.cloud.example", exemption("acme")) == Verdict.MONITOR
    exempt = policy(block=BLOCK, monitor={**CLOUDS, "bypass": ("bypass/doh",)}, exempt=True)
    assert verdict(exempt, "models.cloud.example") == Verdict.ALLOW
    only_watched = policy(monitor={"bypass": ("bypass/doh",)}, exempt=True)
    assert verdict(only_watched, "doh.example") == Verdict.MONITOR  # it would be blocked for exempt groups, too


def test_an_explanation_says_what_is_watched_and_until_when() -> None:
    watching = policy(block=BLOCK, monitor={**CLOUDS, "cloud": ("cloud/models",)}, until=NOW.wall + 90)
    steps = told(watching, "models.cloud.example")
    assert steps["watch"] == [
        "watched: group default watches clouds, cloud until 2025-12-06T05:48:10Z: counted, and not blocked",
        "monitor: models.cloud.example of cloud/models would block it if group default blocked clouds, cloud, which it "
        "only watches",
    ]
    assert steps["rule"] == ["watched by the group: block rule models.cloud.example of catalogue cloud/models"]
    late = told(watching, "models.cloud.example", now=Moment(NOW.wall + 90, NOW.boot + 90))
    assert late["watch"] == ["over: group default watched clouds, cloud until 2025-12-06T05:48:10Z; now it does not"]
    assert late["rule"][0].startswith("not in force for the group")
    covered = told(policy(monitor=CLOUDS), "models.cloud.example", exemption("cloud"))
    assert covered["watch"][0] == "watched: group default watches clouds: counted, and not blocked"
    assert covered["watch"][1].endswith("; but ex-1 covers it")
    assert told(policy(monitor=CLOUDS, exempt=True), "models.cloud.example")["watch"][1].endswith("is exempt")


def test_a_snapshot_of_an_earlier_version_watches_nothing() -> None:
    plain = CompiledGroup("default", watch=Watch((("clouds", frozenset({"cloud/models"})),), 7.0)).to_plain()
    assert CompiledGroup.from_plain(plain).watch.is_over(7.0)
    del plain["watch"]
    assert CompiledGroup.from_plain(plain).watch == Watch()


SOME = st.frozensets(st.sampled_from(SOURCES))


@settings(max_examples=examples(100))
@given(SOME, SOME, SOME, st.booleans(), st.sampled_from((None, "cloud", "house", "seen.example")))
def test_watching_changes_no_answer_but_its_verdict(
    blocked: frozenset[str], allowed: frozenset[str], watched: frozenset[str], exempt: bool, scope: str | None
) -> None:
    held = () if scope is None else (exemption(scope),)
    group: dict[str, Any] = {"block": blocked, "allow": allowed, "exempt": exempt}
    without = policy(monitor={}, **group)
    watching = policy(monitor={name: (name,) for name in watched}, **group)
    blocking = policy(monitor={}, **{**group, "block": blocked | watched})
    for name in NAMES:
        was, now = verdict(without, name, *held), verdict(watching, name, *held)
        assert now in (was, Verdict.MONITOR)
        if now != was:
            assert (was, verdict(blocking, name, *held)) == (Verdict.ALLOW, Verdict.BLOCK), name
