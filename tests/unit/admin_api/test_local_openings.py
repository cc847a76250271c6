"""Local names under four eyes: what the policy has rules for waits, a printer does not."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.second_owner.local_names import LocalFacts, local_opened
from blocklists.sources import compile_policy
from resolver.config.own_names import EVERYBODYS, OwnNames
from resolver.config.policy_schema import Policy
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.local_records import BY_API, LocalRecord
from tests.unit.bundled import bundled_catalogue


def compiled(*block: str) -> PolicySnapshot:
    """The default policy, with a list."""
    policy = Policy.model_validate({"lists": [{"name": "house", "block": list(block)}]} if block else {})
    return policy_in_memory(*compile_policy(policy.model_dump(mode="json"), bundled_catalogue()))


OWN = OwnNames(("example", "claude.ai", "anthropic.com"))  # so that the policy alone makes something wait
POLICY = compiled("evil.example", "ip:198.51.100.0/24", "a.ruled.example")


def name(text: str, *addresses: str, alias: str = "") -> LocalRecord:
    return LocalRecord(text, addresses, alias, BY_API)


def state(record: LocalRecord) -> dict[str, Any]:
    """As audit rows have it."""
    return {"name": record.name, "addresses": list(record.addresses), "alias": record.alias or None}


def opened(
    before: dict[str, LocalRecord | None],
    *now: LocalRecord,
    config: tuple[LocalRecord, ...] = (),
    policy: PolicySnapshot | None = POLICY,
    own: OwnNames = OWN,
) -> list[str]:
    was = {key: None if record is None else state(record) for key, record in before.items()}
    return local_opened(was, now, LocalFacts(config, policy, own))


PRINTER = name("printer.office.example", "192.0.2.7")


def test_a_name_and_an_address_without_rules_open_nothing() -> None:
    assert opened({PRINTER.name: None}, PRINTER) == []
    assert opened({PRINTER.name: PRINTER}, name(PRINTER.name, "192.0.2.8")) == []
    assert opened({PRINTER.name: PRINTER}) == []
    assert opened({"intra.office.example": None}, name("intra.office.example", alias=PRINTER.name), PRINTER) == []


@pytest.mark.parametrize(
    "record",
    [
        name("claude.ai", "10.0.0.1"),
        name("x.claude.ai", "10.0.0.1"),
        name("*.claude.ai", "10.0.0.1"),
        name("*.anthropic.com", "10.0.0.1"),
        name("evil.example", alias="good.example"),
        name("*.ruled.example", "10.0.0.1"),
        name("good.example", "198.51.100.7"),
        name("good.example", alias="claude.ai"),
    ],
)
def test_a_name_or_an_address_that_has_rules_opens_when_it_is_made_changed_or_removed(record: LocalRecord) -> None:
    (made,) = opened({record.name: None}, record)
    assert made.startswith(f"local name {record.name!r} is answered by ")
    other = name(record.name, "203.0.113.1")
    assert opened({record.name: record}, other) == [
        f"local name {record.name!r} is answered by 203.0.113.1, whatever the policy says"
    ]
    (gone,) = opened({record.name: record})
    assert gone.startswith(f"local name {record.name!r} is no longer answered by ")


def test_a_policy_with_expressions_makes_every_wildcard_wait_and_only_names_that_match() -> None:
    policy = compiled("/^ad[0-9]+[.]/")
    assert opened({"*.lab.example": None}, name("*.lab.example", "10.0.0.1"), policy=policy)
    assert opened({"ad1.example": None}, name("ad1.example", "10.0.0.1"), policy=policy)
    assert opened({PRINTER.name: None}, PRINTER, policy=policy) == []


def test_a_name_that_a_local_name_closed_opens_when_it_leads_elsewhere() -> None:
    closed = name("ads.example", "0.0.0.0", "::")
    assert opened({"ads.example": closed})
    assert opened({"ads.example": closed}, name("ads.example", "192.0.2.1"))
    inside = name("*.tracker.example", "0.0.0.0")
    assert opened({"x.tracker.example": None}, inside, name("x.tracker.example", "192.0.2.1"))


def test_what_an_approved_alias_leads_to_is_not_changed_by_one_alone() -> None:
    alias = name("claude.ai", alias="intra.office.example")
    target = name("intra.office.example", "192.0.2.7")
    moved = name("intra.office.example", "203.0.113.9")
    assert opened({target.name: target}, alias, moved) == [
        "local name 'claude.ai' is answered by 203.0.113.9, whatever the policy says"
    ]
    assert opened({target.name: target}, moved, config=(alias,))
    assert opened({target.name: target}, moved) == []


@pytest.mark.parametrize("text", ["claude.ai", "chatgpt.com"])
def test_a_name_that_the_config_hides_is_judged_as_if_the_config_did_not_have_it(text: str) -> None:
    config, planted = (name(text, "0.0.0.0"),), name(text, "104.18.32.47")
    assert opened({text: None}, planted, config=config) == [
        f"local name {text!r} is answered by 104.18.32.47, whatever the policy says, when the config no longer has "
        "the name"
    ]
    assert opened({text: planted}, config=config) == [
        f"local name {text!r} is no longer answered by 104.18.32.47, when the config no longer has the name"
    ]
    assert opened({PRINTER.name: None}, PRINTER, config=(name(PRINTER.name, "192.0.2.9"),)) == []


def test_an_alias_is_judged_by_what_it_leads_to_with_the_config_and_without() -> None:
    alias, hidden = name("intra.office.example", alias="x.office.example"), name("x.office.example", "192.0.2.1")
    ruled = (name("x.office.example", "198.51.100.7"),)
    assert opened({alias.name: None}, alias, hidden, config=ruled) == [
        "local name 'intra.office.example' is answered by 198.51.100.7, whatever the policy says"
    ]


@pytest.mark.parametrize("text", ["login.example.com", "*.example.com", "printer", "example", "office.example.com"])
def test_a_name_of_others_opens_when_it_is_made_changed_or_removed(text: str) -> None:
    record, own = name(text, "192.0.2.7"), OwnNames(("office.example",))
    assert opened({text: None}, record, own=own)
    assert opened({text: record}, name(text, "192.0.2.8"), own=own)
    assert opened({text: record}, own=own)


@pytest.mark.parametrize("text", ["office.example", "*.office.example", "nas.home.arpa", "a.internal", "*.test"])
def test_names_of_ones_own_and_those_meant_for_everybody_open_nothing(text: str) -> None:
    record, own = name(text, "192.0.2.7"), OwnNames(("office.example",))
    assert opened({text: None}, record, own=own) == []
    assert opened({"x.example": None}, name("x.example", "192.0.2.7"), own=EVERYBODYS)


def test_where_a_name_of_others_leads_is_not_changed_by_one_alone_either() -> None:
    alias, target = name("login.example.com", alias="intra.office.example"), name("intra.office.example", "192.0.2.7")
    moved = name("intra.office.example", "203.0.113.9")
    assert opened({target.name: target}, alias, moved, own=OwnNames(("office.example",))) == [
        "local name 'login.example.com' is answered by 203.0.113.9, whatever the policy says"
    ]


def test_without_a_policy_to_look_at_everything_opens() -> None:
    assert opened({PRINTER.name: None}, PRINTER, policy=None)
