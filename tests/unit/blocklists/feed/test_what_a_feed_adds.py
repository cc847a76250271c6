"""A feed adds blocks and takes its own back. Nothing that was closed without it opens by it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.catalogue import Catalogue
from blocklists.feed.content import FedCatalogue
from blocklists.feed.merging import with_feed
from blocklists.loading import catalogue_of
from blocklists.sources import compile_policy
from resolver.policy.compiler import policy_in_memory
from resolver.policy.decision import Decision, Verdict
from resolver.policy.explain import explain
from resolver.policy.moments import End, Moment
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Exemption, Subjects
from resolver.wire.names import key_of, parse_name

from .signed import entry, fed, vendor

NOW = Moment(1_800_000_000.0, 1000.0)
BASE = catalogue_of(
    FedCatalogue.parse(
        fed(
            files={
                "vendors/acme.yaml": vendor(
                    "acme",
                    entry("acme.example"),
                    entry("=dl.acme.example", "code", needed_by=["chat"]),
                    entry("code.example", "code"),
                    entry("model.*.big.example", "code"),
                ),
                "clouds/cloud.yaml": vendor("cloud", entry("cloud.example")),
                "bypass/doh.yaml": {
                    "vendor": "bypass",
                    "name": "Ways round",
                    "services": {"doh": {"name": "d", "description": "d"}},
                    "domains": [entry("dns.example", "doh")],
                },
            }
        )
    ).files,
    "base",
)


def merged(*domains: dict[str, Any], **files: Any) -> Catalogue:
    """The base with a feed."""
    return with_feed(BASE, FedCatalogue.parse(fed(files={"vendors/newco.yaml": vendor("newco", *domains), **files})))


def of_acme(*domains: dict[str, Any]) -> Catalogue:
    """The base with a feed that has more of a vendor of the base."""
    return with_feed(BASE, FedCatalogue.parse(fed(files={"vendors/acme.yaml": vendor("acme", *domains)})))


def group(name: str = "default", **more: Any) -> dict[str, Any]:
    usual = {"networks": [], "exempt": False, "mode": "enforce", "block": ["ai", "bypass", "lists"], "allow": []}
    return {"name": name, "response": None, **usual, **more}


def policy(
    catalogue: Catalogue, *lists: dict[str, Any], own_vendors: tuple[str, ...] = (), **more: Any
) -> PolicySnapshot:
    response = {"mode": "zero-ip", "ttl_seconds": 10, "ipv4": None, "ipv6": None}
    filled = [{"url": None, "allow": [], "block": [], **entry} for entry in lists]
    plain = {"response": response, "lists": filled, "groups": [group(**more)], "own_vendors": own_vendors}
    return policy_in_memory(*compile_policy(plain, catalogue))


def decide(snapshot: PolicySnapshot, name: str, *scopes: str) -> Decision:
    view, _ = snapshot.view_of("127.0.0.1")
    held = tuple(
        Exemption(f"e{number}", "client", ("127.0.0.1",), (scope,), 0.0, End.at(NOW.wall + 60, NOW))
        for number, scope in enumerate(scopes)
    )
    return snapshot.decide(snapshot.view_with(view, is_watched=False, exemptions=held), key_of(parse_name(name)))


def test_a_name_that_nobody_listed_is_blocked_under_its_service() -> None:
    decision = decide(policy(merged(entry("newco.example"))), "www.newco.example")
    assert (decision.verdict, decision.service) == (Verdict.BLOCK, "newco/chat")
    assert decide(policy(BASE), "www.newco.example").verdict is Verdict.ALLOW


def test_what_a_feed_takes_back_is_open_again() -> None:
    assert decide(policy(merged(entry("other.example"))), "newco.example").verdict is Verdict.ALLOW


def test_a_rule_of_the_base_that_the_feed_has_not_stays() -> None:
    assert decide(policy(of_acme(entry("acme2.example"))), "acme.example").verdict is Verdict.BLOCK


def test_a_name_goes_on_belonging_to_the_service_of_the_base() -> None:
    """Else whoever may use the feed's service would have the name."""
    catalogue = merged(entry("=app.acme.example"), entry("acme.example"))
    decision = decide(policy(catalogue, allow=["newco"]), "app.acme.example")
    assert (decision.verdict, decision.service) == (Verdict.BLOCK, "acme/chat")
    assert decide(policy(catalogue), "app.acme.example", "newco").verdict is Verdict.BLOCK


def test_a_name_that_a_pattern_of_the_base_has_stays_with_it() -> None:
    catalogue = merged(entry("=model.eu.big.example"))
    assert decide(policy(catalogue, allow=["newco"]), "model.eu.big.example").service == "acme/code"


def test_what_needs_a_name_of_the_base_is_not_the_feeds_to_say() -> None:
    catalogue = of_acme(entry("code.example", "code", needed_by=["chat"]))
    assert decide(policy(catalogue, allow=["acme/chat"]), "code.example").verdict is Verdict.BLOCK
    assert decide(policy(catalogue), "code.example", "acme/chat").verdict is Verdict.BLOCK


def test_the_kind_of_a_vendor_is_not_the_feeds_to_say() -> None:
    catalogue = with_feed(BASE, FedCatalogue.parse(fed(files={"clouds/acme.yaml": vendor("acme", entry("a.example"))})))
    assert decide(policy(catalogue, block=["vendors"]), "acme.example").verdict is Verdict.BLOCK
    assert catalogue.about["acme"].kind == "vendor"


def test_a_group_that_may_use_a_service_has_its_new_names() -> None:
    catalogue = of_acme(entry("acme2.example", needed_by=["code"]))
    for allowed in ("acme", "acme/chat", "acme/code", "ai"):
        assert decide(policy(catalogue, allow=[allowed]), "acme2.example").verdict is Verdict.ALLOW, allowed
    assert decide(policy(catalogue, allow=["cloud"]), "acme2.example").verdict is Verdict.BLOCK


@pytest.mark.parametrize("scope", ["acme", "acme/chat", "acme/code", "ai", "acme2.example"])
def test_an_exemption_takes_away_the_feeds_block(scope: str) -> None:
    catalogue = of_acme(entry("acme2.example", needed_by=["code"]))
    assert decide(policy(catalogue), "acme2.example", scope).verdict is Verdict.EXEMPT
    assert decide(policy(catalogue), "acme2.example", "cloud").verdict is Verdict.BLOCK


def test_no_exemption_and_no_allow_of_a_fed_service_opens_what_a_list_blocks() -> None:
    catalogue = of_acme(entry("acme2.example"))
    for extra in ({"url": None}, {"url": "https://lists.example/x"}):
        blocked = {"name": "house", "block": ["acme2.example"], **extra}
        assert decide(policy(catalogue, blocked, allow=["acme"]), "acme2.example").verdict is Verdict.BLOCK
        assert decide(policy(catalogue, blocked), "acme2.example", "acme").verdict is Verdict.BLOCK


def test_an_own_list_allows_what_a_feed_blocks() -> None:
    allowed = {"name": "house", "allow": ["newco.example"]}
    assert decide(policy(merged(entry("newco.example")), allowed), "newco.example").verdict is Verdict.ALLOW


def test_own_vendors_are_left_out() -> None:
    catalogue = of_acme(entry("acme2.example"))
    assert decide(policy(catalogue, own_vendors=("acme",)), "acme2.example").verdict is Verdict.ALLOW


def test_a_feeds_ways_round_the_resolver_stay_closed_for_exempt_groups() -> None:
    files = {
        "bypass/doh.yaml": {
            "vendor": "bypass",
            "name": "Ways round",
            "services": {"doh": {"name": "d", "description": "d"}},
            "domains": [entry("dns2.example", "doh")],
        }
    }
    catalogue = with_feed(BASE, FedCatalogue.parse(fed(files=files)))
    assert decide(policy(catalogue, exempt=True), "dns2.example").verdict is Verdict.BLOCK


def test_a_vendor_of_the_feed_takes_no_lists_place() -> None:
    catalogue = merged(entry("newco.example"))
    house = {"name": "newco", "block": ["house.example"], "allow": []}
    assert decide(policy(catalogue, house, block=["newco"]), "house.example").verdict is Verdict.BLOCK
    assert decide(policy(catalogue, house, allow=["newco"]), "newco.example").verdict is Verdict.BLOCK


def test_a_decision_by_the_feed_is_explained() -> None:
    snapshot = policy(merged(entry("newco.example")))
    found = explain(snapshot, parse_name("newco.example"), "127.0.0.1", "A", subjects=Subjects(), now=NOW)
    assert (found.verdict, found.service) == ("block", "newco/chat")
    assert "block rule newco.example of catalogue feed newco/chat" in [step.detail for step in found.trace]


_NAMES = ["acme.example", "dl.acme.example", "x.acme.example", "code.example", "model.eu.big.example"]
_NAMES += ["cloud.example", "a.cloud.example", "dns.example", "newco.example", "a.newco.example", "free.example"]
_RULES = [f"{form}{name}" for name in _NAMES for form in ("", "=", "*.")] + ["m*.eu.big.example", "*x.acme.example"]
_SERVICES = ["chat", "code"]
_REFERENCES = ["ai", "vendors", "clouds", "acme", "acme/chat", "acme/code", "cloud", "newco", "newco/code", "house"]


@st.composite
def _domains(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = {}
    for rule in draw(st.lists(st.sampled_from(_RULES), unique=True, max_size=5)):
        service = draw(st.sampled_from(_SERVICES))
        others = [name for name in ("acme/chat", "acme/code", "newco/chat", "cloud/chat") if not name.endswith(service)]
        needed_by = draw(st.lists(st.sampled_from(others), unique=True, max_size=2))
        found[rule] = entry(rule, service, needed_by=needed_by)
    return list(found.values())


@given(
    feeds=st.tuples(_domains(), _domains()),
    kind=st.sampled_from(["vendors", "clouds", "resellers"]),
    block=st.lists(st.sampled_from(_REFERENCES), unique=True),
    allow=st.lists(st.sampled_from(_REFERENCES), unique=True, max_size=2),
    scopes=st.lists(st.sampled_from(_REFERENCES), unique=True, max_size=2),
    listed=st.tuples(*[st.lists(st.sampled_from(_RULES), unique=True, max_size=2)] * 2),
    url=st.sampled_from([None, "https://lists.example/x"]),
    exempt=st.booleans(),
    own=st.sampled_from([(), ("acme",), ("newco",)]),
)
def test_no_feed_opens_what_is_closed_or_closes_what_a_rule_allows(
    feeds: tuple[list[dict[str, Any]], list[dict[str, Any]]],
    kind: str,
    block: list[str],
    allow: list[str],
    scopes: list[str],
    listed: tuple[list[str], list[str]],
    url: str | None,
    exempt: bool,
    own: tuple[str, ...],
) -> None:
    of_acme, of_newco = feeds
    acme = vendor("acme", *of_acme)
    files = {f"{kind}/acme.yaml": acme, "vendors/newco.yaml": vendor("newco", *of_newco)}
    whole = with_feed(BASE, FedCatalogue.parse(fed(files={**files, "clouds/cloud.yaml": vendor("cloud")})))
    house = {"name": "house", "block": listed[0], "allow": listed[1], "url": url}
    without, with_it = (
        policy(catalogue, house, block=block, allow=allow, exempt=exempt, own_vendors=own)
        for catalogue in (BASE, whole)
    )
    for name in _NAMES:
        before, after = decide(without, name, *scopes), decide(with_it, name, *scopes)
        if before.verdict is not Verdict.ALLOW:
            assert after.verdict is before.verdict, name
        elif before.rule is not None:
            assert after.verdict is Verdict.ALLOW, name
        elif after.verdict is Verdict.ALLOW:
            assert after.rule is None, name
