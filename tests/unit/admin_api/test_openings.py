"""What counts as opened, held against what queries are answered by: what waits for nobody opens nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.second_owner.groups import Facts, States, changed
from admin_api.store.policy import DEFAULT_BLOCK, DEFAULT_RESPONSE
from admin_api.store.states import UNWATCHED
from blocklists.sources import compile_policy
from resolver.config.policy_schema import Policy
from resolver.policy.compiler import policy_in_memory
from resolver.policy.decision import Verdict
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.names import key_of, parse_name
from tests.support.examples import examples
from tests.unit.bundled import bundled_catalogue

CATALOGUE = bundled_catalogue()
LISTS = [
    {"name": "house", "block": ["x.example"], "allow": ["claude.ai", "dns.google"]},
    {"name": "other", "block": ["y.example", "claude.ai", "dns.google"]},
]
FACTS = Facts(
    response=DEFAULT_RESPONSE,
    default_block=DEFAULT_BLOCK,
    services_of=CATALOGUE.services_of,
    opening_lists=frozenset({"house"}),
    exempt_groups=frozenset(),
    paused_groups=frozenset(),
    leased_groups=frozenset(),
)
CLIENTS = ("10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1", "2001:db8::1")
CLOUD = "bedrock-runtime.eu-west-1.amazonaws.com"
TEXTS = ("claude.ai", "chatgpt.com", "openrouter.ai", CLOUD, "dns.google", "x.example", "y.example")
NAMES = tuple(key_of(parse_name(text)) for text in TEXTS)
NETWORKS = ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/24", "2001:db8::/32", "2001:db8::1/128")
REFERENCES = (
    *("ai", "vendors", "gateways", "clouds", "bypass", "lists"),
    *("anthropic", "openai", "anthropic/claude", "house", "other"),
)
SCHEDULES = ({"time_zone": "UTC", "windows": [{"days": ["mon"], "start": "08:00", "end": "18:00"}]},)

FIELDS = {
    "exempt": st.booleans(),
    "mode": st.sampled_from(("enforce", "enforce", "monitor")),
    "block": st.none() | st.lists(st.sampled_from(REFERENCES), unique=True, max_size=5),
    "allow": st.lists(st.sampled_from(REFERENCES), unique=True, max_size=2),
    "monitor": st.lists(st.sampled_from(REFERENCES), unique=True, max_size=3),
    "response": st.none() | st.sampled_from(("zero-ip", "nxdomain", "refused")).map(lambda mode: {"mode": mode}),
}


def filled(name: str, **values: Any) -> dict[str, Any]:
    """A group as rows tell of it."""
    nothing = {"description": "", "schedule": None, "client_names": [], "networks": []}
    rest = {"exempt": False, "mode": "enforce", "block": None, "allow": [], "response": None}
    return {"name": name, **nothing, **UNWATCHED, **rest, **values}


@st.composite
def changes(draw: st.DrawFn) -> tuple[States, States]:
    """Three groups with networks, before and after somebody changes a few things of them."""
    owners = {network: draw(st.sampled_from(("", "one", "two"))) for network in NETWORKS}
    was = {}
    for name in ("default", "one", "two"):
        values = {field: draw(strategy) for field, strategy in FIELDS.items() if draw(st.integers(0, 2)) == 0}
        was[name] = filled(name, networks=[net for net, owner in owners.items() if owner == name], **values)
    will = {name: dict(state) for name, state in was.items()}
    for _ in range(draw(st.sampled_from((1, 1, 2)))):
        name = draw(st.sampled_from(tuple(will)))
        field = draw(st.sampled_from((*FIELDS, "networks", "networks")))
        if field == "networks":
            owners |= {draw(st.sampled_from(NETWORKS)): draw(st.sampled_from(("", "one", "two")))}
            for each, state in will.items():
                state["networks"] = [net for net, owner in owners.items() if owner == each]
        else:
            will[name][field] = draw(FIELDS[field])
    if draw(st.integers(0, 5)) == 0:
        del will["two"]
    return was, will


def compiled(states: States) -> PolicySnapshot:
    """What queries are answered by."""
    groups = [{key: value for key, value in state.items() if value is not None} for state in states.values()]
    policy = Policy.model_validate({"lists": LISTS, "groups": groups})
    return policy_in_memory(*compile_policy(policy.model_dump(mode="json"), CATALOGUE))


def closed(policy: PolicySnapshot) -> set[tuple[str, bytes]]:
    """Who is answered with a block for what, in a way that sends nobody elsewhere."""
    found = set()
    for client in CLIENTS:
        view, _ = policy.view_of(client)
        for name in NAMES:
            decision = policy.decide(view, name)
            if decision.verdict is Verdict.BLOCK and view.group.response.mode != "refused":
                found.add((client, name))
    return found


def test_a_group_that_blocks_what_the_default_one_does_opens_with_it() -> None:
    watched = filled("default", mode="monitor", block=["ai"])
    was = {"default": watched, "one": filled("one", networks=["10.0.0.0/8"])}
    will = {**was, "default": {**watched, "block": []}}
    (told,) = changed(was, will, FACTS)
    assert told.startswith("group 'one', which blocks what group 'default' does, does not block")
    assert list(changed(will, was, FACTS)) == []


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(changes())
def test_what_no_owner_is_asked_about_opens_nothing_to_anybody(change: tuple[States, States]) -> None:
    was, will = change
    if not list(changed(was, will, FACTS)):
        assert closed(compiled(was)) <= closed(compiled(will))


@given(changes())
@settings(max_examples=examples(60))
def test_a_policy_that_stays_as_it_is_opens_nothing(change: tuple[States, States]) -> None:
    for states in change:
        assert list(changed(states, states, FACTS)) == []


def test_the_names_of_these_tests_are_blocked_by_default() -> None:
    states = {"default": filled("default"), "one": filled("one", networks=["10.0.0.0/8"])}
    assert len(closed(compiled(states))) == len(CLIENTS) * (len(NAMES) - 3)  # the house list allows two; no clouds
