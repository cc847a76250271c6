"""A client at a moment: lease, network, group, exemptions, pause and schedule."""

from __future__ import annotations

from typing import Any

import pytest

from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.decision import Decision, Verdict
from resolver.policy.groups import CompiledGroup, parse_client
from resolver.policy.moments import End, Moment
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.situation import Situation, situation_of
from resolver.policy.subjects import Exemption, Lease, Pause, Subjects, subject_of
from resolver.wire.names import key_of, parse_name

NOW = Moment(1_000_000.0, 500.0)
BLOCK = frozenset({"acme/chat", "acme/api", "other/chat", "bypass/doh", "house"})
POLICY = policy_in_memory(
    compile_rules(
        [
            RuleSource(Source("acme/chat", Rank.BUNDLED), [SourceRule(parse_rule("acme.ai"))]),
            RuleSource(Source("acme/api", Rank.BUNDLED), [SourceRule(parse_rule("api.acme.ai"))]),
            RuleSource(
                Source("acme/login", Rank.BUNDLED), [SourceRule(parse_rule("id.acme.ai"), needed_by=("acme/chat",))]
            ),
            RuleSource(Source("other/chat", Rank.BUNDLED), [SourceRule(parse_rule("other.ai"))]),
            RuleSource(Source("bypass/doh", Rank.BUNDLED), [SourceRule(parse_rule("dns.example"))]),
            RuleSource(Source("house", Rank.OWN), [SourceRule(parse_rule("games.example"))]),
        ]
    ),
    compile_groups(
        [
            CompiledGroup("default", block=BLOCK | {"acme/login"}),
            CompiledGroup("office", networks=("10.0.0.0/8",), block=BLOCK),
            CompiledGroup("lab", networks=("10.9.0.0/16",), exempt=True, block=BLOCK),
            CompiledGroup("vpn", monitor=True, block=BLOCK),
            CompiledGroup("kiosk", client_names=("kiosk-7",), block=BLOCK),
            CompiledGroup("staff", client_names=("proved:ana@corp.example", "proved:kiosk-7"), block=BLOCK),
        ],
        [],
        {"ai": ["acme/chat", "acme/api", "other/chat"], "acme": ["acme/chat", "acme/api"], "house": ["house"]},
    ),
)


def ends(seconds: float) -> End:
    return End.at(NOW.wall + seconds, NOW)


def exemption(
    *scope: str, kind: Any = "client", who: str = "192.0.2.1", starts: float = 0, lasts: float = 60
) -> Exemption:
    return Exemption("ex-1", kind, (who,), scope, NOW.wall + starts, ends(starts + lasts))


def stand(*subjects: Any, client: str = "192.0.2.1", now: Moment = NOW, name: str = "") -> Situation:
    return situation_of(POLICY, Subjects(subjects), parse_client(client), now, name)


def test_a_snapshot_from_before_resellers_has_vendors_in_what_ai_was() -> None:
    # Exemptions of `ai` say `vendors` from the upgrade on, and the old snapshot may serve for some seconds more.
    view = stand(exemption("vendors")).view
    verdicts = [POLICY.decide(view, key_of(parse_name(name))).verdict for name in ("acme.ai", "dns.example")]
    assert verdicts == [Verdict.EXEMPT, Verdict.BLOCK]


def decide(name: str, *subjects: Any, client: str = "192.0.2.1", now: Moment = NOW) -> Decision:
    return POLICY.decide(stand(*subjects, client=client, now=now).view, key_of(parse_name(name)))


@pytest.mark.parametrize(
    ("scope", "opened", "closed"),
    [
        ("acme/chat", ["acme.ai", "www.acme.ai", "id.acme.ai"], ["api.acme.ai", "other.ai"]),
        ("acme", ["acme.ai", "api.acme.ai", "id.acme.ai"], ["other.ai"]),
        ("ai", ["acme.ai", "other.ai"], ["games.example"]),
        ("house", ["games.example"], ["acme.ai"]),
        ("chat.acme.ai", ["chat.acme.ai", "a.chat.acme.ai"], ["acme.ai", "www.acme.ai"]),
        ("=acme.ai", ["acme.ai"], ["www.acme.ai"]),
        ("*.acme.ai", ["www.acme.ai", "api.acme.ai"], ["acme.ai"]),
        ("gone", [], ["acme.ai", "games.example"]),
    ],
)
def test_an_exemption_opens_its_scope_and_nothing_else(scope: str, opened: list[str], closed: list[str]) -> None:
    for name in opened:
        decision = decide(name, exemption(scope))
        assert (decision.verdict, decision.exemption, decision.despite_block) == (Verdict.EXEMPT, "ex-1", True), name
    for name in [*closed, "dns.example"]:
        assert decide(name, exemption(scope)).verdict is Verdict.BLOCK, name


def test_bypass_stays_closed_whatever_the_scope_says() -> None:
    assert decide("dns.example", exemption("bypass/doh", "dns.example")).verdict is Verdict.BLOCK


def test_an_exemption_reaches_its_subject_and_nobody_else() -> None:
    lease = Lease("192.0.2.1", "ana", None, ends(60))
    for kind, who in (("network", "192.0.2.0/24"), ("group", "default"), ("identity", "ana"), ("client", "192.0.2.1")):
        given = exemption("ai", kind=kind, who=who)
        assert decide("acme.ai", lease, given).verdict is Verdict.EXEMPT, kind
        assert decide("acme.ai", given, client="10.0.0.1").verdict is Verdict.BLOCK, kind


def test_an_exemption_bites_from_its_start_to_its_end() -> None:
    later = exemption("ai", starts=10, lasts=20)
    for seconds, verdict in ((9.9, Verdict.BLOCK), (10, Verdict.EXEMPT), (29.9, Verdict.EXEMPT), (30, Verdict.BLOCK)):
        now = Moment(NOW.wall + seconds, NOW.boot + seconds)
        assert decide("acme.ai", later, now=now).verdict is verdict, seconds
    assert stand(later).seconds == 10
    assert stand(later, now=Moment(NOW.wall + 12, NOW.boot + 12)).seconds == 18


def test_a_clock_that_is_set_ends_an_exemption_early_and_never_late() -> None:
    given = exemption("ai", lasts=60)
    forward, back = Moment(NOW.wall + 86_400, NOW.boot + 1), Moment(NOW.wall - 86_400, NOW.boot + 60)
    assert decide("acme.ai", given, now=forward).verdict is Verdict.BLOCK
    assert decide("acme.ai", given, now=back).verdict is Verdict.BLOCK


def test_a_lease_gives_its_group_and_its_end_gives_it_back() -> None:
    lease = Lease("10.9.0.1", "ana", "office", ends(60))
    leased = stand(lease, client="10.9.0.1")
    assert (leased.view.group.name, leased.via, leased.seconds) == ("office", "lease", 60)
    over = stand(lease, client="10.9.0.1", now=Moment(NOW.wall + 60, NOW.boot + 60))
    assert (over.view.group.name, over.via, over.seconds) == ("lab", "network", float("inf"))


def test_a_lease_without_a_group_or_of_one_that_is_gone_leaves_the_networks_group() -> None:
    for group in (None, "gone"):
        leased = stand(Lease("10.9.0.1", "ana", group, ends(60)), client="10.9.0.1")
        assert (leased.view.group.name, leased.via) == ("lab", "network")


def test_a_client_name_goes_before_networks_and_behind_a_lease() -> None:
    named = stand(client="10.9.0.1", name="kiosk-7")
    assert (named.view.group.name, named.via) == ("kiosk", "client name")
    leased = stand(Lease("10.9.0.1", "ana", "office", ends(60)), client="10.9.0.1", name="kiosk-7")
    assert (leased.view.group.name, leased.via) == ("office", "lease")
    for group in (None, "gone"):
        lease = Lease("10.9.0.1", "ana", group, ends(60))
        assert stand(lease, client="10.9.0.1", name="kiosk-7").via == "client name"
    unknown = stand(client="10.9.0.1", name="kiosk-8")
    assert (unknown.view.group.name, unknown.via) == ("lab", "network")


def test_a_proved_name_goes_before_leases_names_and_networks_and_a_claim_is_none() -> None:
    lease = Lease("10.9.0.1", "bob", "office", ends(60))
    proved = stand(lease, client="10.9.0.1", name="proved:ana@corp.example")
    assert (proved.view.group.name, proved.via, proved.identity) == ("staff", "certificate", "ana@corp.example")
    assert stand(client="10.9.0.1", name="proved:kiosk-7").view.group.name == "staff"
    assert stand(client="10.9.0.1", name="kiosk-7").view.group.name == "kiosk"
    claimed = stand(lease, client="10.9.0.1", name="ana@corp.example")
    assert (claimed.view.group.name, claimed.via, claimed.identity) == ("office", "lease", "bob")


def test_a_proved_name_that_no_group_has_leaves_the_group_and_is_the_identity() -> None:
    lease = Lease("10.9.0.1", "bob", "office", ends(60))
    of_carol, of_bob = (exemption("ai", kind="identity", who=who) for who in ("carol@corp.example", "bob"))
    carol = stand(lease, of_carol, client="10.9.0.1", name="proved:carol@corp.example")
    assert (carol.view.group.name, carol.via, carol.exemptions) == ("office", "lease", (of_carol,))
    other = stand(lease, of_bob, client="10.9.0.1", name="proved:carol@corp.example")
    assert (other.identity, other.exemptions) == ("carol@corp.example", ())
    assert stand(lease, of_bob, client="10.9.0.1").exemptions == (of_bob,)
    assert stand(of_carol, client="10.9.0.1", name="carol@corp.example").exemptions == ()
    assert stand(client="10.9.0.1").identity is None


def test_a_proved_name_that_may_be_claimed_is_in_the_group_of_the_claim() -> None:
    assert stand(name="proved:kiosk-8").via == "default"
    policy = policy_in_memory(
        compile_rules([]),
        compile_groups([CompiledGroup("default"), CompiledGroup("kiosk", client_names=("kiosk-8",))], []),
    )
    proved = situation_of(policy, Subjects([]), parse_client("192.0.2.1"), NOW, "proved:kiosk-8")
    assert (proved.view.group.name, proved.via) == ("kiosk", "certificate")


def test_exemptions_and_pauses_of_a_names_group_are_its_clients() -> None:
    given = exemption("ai", kind="group", who="kiosk")
    assert stand(given, client="10.9.0.1", name="kiosk-7").exemptions == (given,)
    assert stand(given, client="10.9.0.1").exemptions == ()
    pause = Pause("pa-1", "kiosk", ends(30))
    assert stand(pause, client="10.9.0.1", name="kiosk-7").pause == pause


def test_a_pause_watches_a_group_or_everyone_until_its_end() -> None:
    for group in (None, "office"):
        pause = Pause("pa-1", group, ends(30))
        assert decide("acme.ai", pause, client="10.0.0.1").verdict is Verdict.MONITOR
        assert stand(pause, client="10.0.0.1").seconds == 30
        after = Moment(NOW.wall + 30, NOW.boot + 30)
        assert decide("acme.ai", pause, client="10.0.0.1", now=after).verdict is Verdict.BLOCK
    assert decide("acme.ai", Pause("pa-1", "office", ends(30))).verdict is Verdict.BLOCK


def test_a_group_outside_its_windows_is_only_watched() -> None:
    schedule = {"time_zone": "UTC", "windows": [{"days": ["mon"], "start": "13:00", "end": "14:00"}]}
    groups = [CompiledGroup("default", block=BLOCK, schedule_plain=schedule)]
    plain = compile_groups(groups, [])
    rules = compile_rules([RuleSource(Source("acme/chat", Rank.BUNDLED), [SourceRule(parse_rule("acme.ai"))])])
    policy = policy_in_memory(rules, plain)
    monday = Moment(1_794_834_000.0, 0.0)  # Monday 2026-11-16 13:00 UTC
    for seconds, verdict in ((-1, Verdict.MONITOR), (0, Verdict.BLOCK), (3599, Verdict.BLOCK), (3600, Verdict.MONITOR)):
        situation = situation_of(policy, Subjects(), parse_client("192.0.2.1"), Moment(monday.wall + seconds, 0))
        assert policy.decide(situation.view, key_of(parse_name("acme.ai"))).verdict is verdict, seconds
        assert situation.is_off_schedule is (verdict is Verdict.MONITOR)


def test_what_is_put_and_dropped_by_record_is_found_and_gone() -> None:
    subjects = Subjects()
    given = exemption("ai", kind="network", who="2001:db8::/32")
    for subject in (Lease("2001:db8::1", "ana", "vpn", ends(9)), given, Pause("pa-1", None, ends(9))):
        plain = subject.to_plain()
        assert subject_of(plain) == subject
        assert subjects.apply(plain) == ((subject.key,) if isinstance(subject, Lease) else None)
        assert subjects.find(plain[0], subject.key) == subject
    assert [one.id for one in subjects.exemptions_for(parse_client("2001:db8::1"), None, "vpn")] == ["ex-1"]
    for subject in list(subjects):
        subjects.apply(["drop", subject.to_plain()[0], subject.key])
    assert len(subjects) == 0
    assert subjects.exemptions_for(parse_client("2001:db8::1"), "ana", "vpn") == []
