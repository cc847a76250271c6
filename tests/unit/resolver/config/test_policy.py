"""The policy section: lists, groups, and what they say to each other."""

from __future__ import annotations

import pytest

from resolver.config.references import KnownReferences

from .conftest import KNOWN, Load, Problems

SETS = (
    "name one of the sets ai, vendors, resellers, clouds, gateways, bypass, lists, a kind such as kind:assistant, "
    "a vendor, a vendor/service or a list"
)


def test_a_whole_policy_is_read_into_its_normal_form(load: Load) -> None:
    policy = load("""
policy:
  own_vendors: [meta]
  response: {mode: address, ttl_seconds: 0, ipv6: "2001:DB8::1"}
  lists:
    - name: house
      block: [Example.com., "=only.example", "*.below.example", "=com", EXAMPLE.com]
      allow: [bücher.example]
  groups:
    - {name: research, networks: [10.20.0.0/16, "2001:db8:20::/48", 10.20.0.0/16], exempt: true}
    - {name: legal, networks: ["::ffff:10.30.0.0/120"], block: [ai, house], allow: [anthropic/claude], mode: monitor}
    - {name: open, block: [], response: {mode: nxdomain}}
""").policy.model_dump(mode="json")
    assert policy["response"] == {"mode": "address", "ttl_seconds": 0, "ipv4": None, "ipv6": "2001:db8::1"}
    assert policy["lists"] == [
        {
            "name": "house",
            "url": None,
            "format": "auto",
            "refresh_seconds": 86400,
            "allow_private": False,
            "sha256": None,
            "block": ["example.com", "=only.example", "*.below.example", "=com"],
            "allow": ["xn--bcher-kva.example"],
        }
    ]
    groups = {group["name"]: group for group in policy["groups"]}
    assert list(groups) == ["default", "research", "legal", "open"]
    assert groups["research"]["networks"] == ["10.20.0.0/16", "2001:db8:20::/48"]
    assert groups["legal"]["networks"] == ["10.30.0.0/24"]
    assert groups["legal"]["mode"] == "monitor"
    assert groups["open"]["response"] == {"mode": "nxdomain", "ttl_seconds": 10, "ipv4": None, "ipv6": None}


def test_a_group_that_leaves_block_out_gets_the_default_groups(load: Load) -> None:
    blocks = {
        group.name: group.block
        for group in load("policy: {groups: [{name: a}, {name: b, block: []}, {name: c, block: null}]}").policy.groups
    }
    assert blocks == {
        "default": ("ai", "bypass", "lists"),
        "a": ("ai", "bypass", "lists"),
        "b": (),
        "c": ("ai", "bypass", "lists"),
    }
    given = load("policy: {groups: [{name: a}, {name: default, block: [openai]}]}").policy.groups
    assert [(group.name, group.block) for group in given] == [("a", ("openai",)), ("default", ("openai",))]
    bare = load("policy: {groups: [{name: default, networks: [10.0.0.0/8]}]}").policy.groups
    assert [(group.name, group.block) for group in bare] == [("default", ("ai", "bypass", "lists"))]


def test_equal_policies_give_equal_json(load: Load) -> None:
    one = load("policy: {lists: [{name: a, block: [EXAMPLE.com]}], groups: [{name: g, networks: [10.0.0.1]}]}")
    other = load("policy: {lists: [{name: a, block: [example.com.]}], groups: [{name: g, networks: [10.0.0.1/32]}]}")
    assert one.policy.model_dump_json() == other.policy.model_dump_json()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "response: {mode: adress}",
            "response.mode: should be 'zero-ip', 'nxdomain', 'nodata', 'refused' or 'address', is 'adress'",
        ),
        (
            "response: {mode: address}",
            "response.mode: is 'address', but no address is given: add ipv4, ipv6 or both beside it",
        ),
        ("response: {ttl_seconds: 86401}", "response.ttl_seconds: should be at most 86400, is 86401"),
        ("response: {ttl_seconds: -1}", "response.ttl_seconds: should be at least 0, is -1"),
        ("response: {ipv4: '::1'}", "response.ipv4: '::1' is not an IPv4 address: write one as in '192.0.2.1'"),
        (
            "response: {ipv6: 192.0.2.1}",
            "response.ipv6: '192.0.2.1' is not an IPv6 address: write one as in '2001:db8::1'",
        ),
        (
            "groups: [{name: a, response: {mode: address}}]",
            "groups[0].response.mode: is 'address', but no address is given: add ipv4, ipv6 or both beside it",
        ),
        ("groups: [{name: a, mode: off}]", "groups[0].mode: should be 'enforce' or 'monitor', is 'off'"),
        ("groups: [{name: a, exempt: 1}]", "groups[0].exempt: should be true or false, is 1"),
        ("groups: [{}]", "groups[0].name: is missing: add it"),
        ("groups: [a]", "groups[0]: should be a section with keys below it, is 'a'"),
        ("groups: [{name: 7}]", 'groups[0].name: should be text, is 7: put it in quotes, as in "7"'),
        (
            "groups: [{name: Über}]",
            "groups[0].name: 'Über' is not a name: use lower-case letters, digits and '-', at most 63, and no "
            "'-' at the beginning",
        ),
        (
            "groups: [{name: a}, {name: a}]",
            "groups[1].name: another group, groups[0], is already called 'a': rename one",
        ),
        (
            "groups: [{name: a, networks: [10.0.0.0/8]}, {name: b, networks: [192.0.2.0/24, '::ffff:10.0.0.0/104']}]",
            "groups[1].networks[1]: 10.0.0.0/8 belongs to the group 'a' and to 'b': a network has one group, "
            "so remove it from one",
        ),
        (
            "groups: [{name: a, networks: [10.20.0.1/16]}]",
            "groups[0].networks[0]: '10.20.0.1/16' has bits set behind its prefix: did you mean '10.20.0.0/16', or "
            "only '10.20.0.1'?",
        ),
        ("lists: [{name: a}, {name: a}]", "lists[1].name: another list, lists[0], is already called 'a': rename one"),
        ("lists: [{name: gateways}]", "lists[0].name: 'gateways' is the name of a set: give the list another"),
        ("lists: [{name: openai}]", "lists[0].name: 'openai' is the name of a vendor: give the list another"),
        (
            "lists: [{name: a, block: example.com}]",
            "lists[0].block: should be a list, as in [one, two], is 'example.com'",
        ),
        (
            "lists: [{name: a, block: [1.5]}]",
            'lists[0].block[0]: should be text, is 1.5: put it in quotes, as in "1.5"',
        ),
        (
            "lists: [{name: a, block: [x.com, 'exa mple.com']}]",
            "lists[0].block[1]: 'exa mple.com' is not a domain name: a label is letters, digits, '-' and '_'",
        ),
        (
            "lists: [{name: a, allow: ['https://x.com']}]",
            "lists[0].allow[0]: 'https://x.com' is not a domain name: remove scheme, port and path, as in "
            "'example.com'",
        ),
        (
            "lists: [{name: a, uri: 'https://x.com'}]",
            "lists[0].uri: is not a known key: did you mean 'url'?",
        ),
        (
            "lists: [{name: a, url: 'ftp://x.com/l'}]",
            "lists[0].url: 'ftp://x.com/l' is not a URL of http or https: write it as in "
            "'https://lists.example/ai.txt'",
        ),
        (
            "lists: [{name: a, url: 'https://me:secret@x.com/l'}]",
            "lists[0].url: holds a user or a password, which everybody who may read lists would see: leave them out",
        ),
        (
            "lists: [{name: a, url: 'http://127.0.0.1/l'}]",
            "lists[0].url: leads to 127.0.0.1, which is private or local: set allow_private: true if this is intended",
        ),
        (
            "lists: [{name: a, url: 'https://x.com/l', block: [b.com]}]",
            "lists[0].block: is not allowed with a url: a list is fetched, or has its own rules; make two lists",
        ),
        (
            "lists: [{name: a, sha256: 'ab'}]",
            "lists[0].sha256: 'ab' is not a SHA-256: it has 64 digits and letters a to f",
        ),
        ("lists: [{name: a, allow_private: true}]", "lists[0].allow_private: is for lists with a url"),
        (
            "lists: [{name: a, url: 'https://x.com/l', format: csv}]",
            "lists[0].format: should be 'auto', 'domains', 'hosts', 'adblock', 'dnsmasq', 'unbound' or 'rpz', is 'csv'",
        ),
        ("own_vendors: [metaa]", "own_vendors[0]: 'metaa' is not a known vendor: did you mean 'meta'?"),
        ("own_vendors: [meta/llama]", "own_vendors[0]: 'meta/llama' is not a known vendor: did you mean 'meta'?"),
        (
            "groups: [{name: a, block: [antropic]}]",
            "groups[0].block[0]: 'antropic' is not known: did you mean 'anthropic'?",
        ),
        (
            "groups: [{name: a, block: [Anthropic]}]",
            "groups[0].block[0]: 'Anthropic' is not known: did you mean 'anthropic'?",
        ),
        (
            "groups: [{name: a, allow: [chatgpt]}]",
            "groups[0].allow[0]: 'chatgpt' is not known: did you mean 'openai/chatgpt'?",
        ),
        (
            "groups: [{name: a, client_names: [k, 'no name']}]",
            "groups[0].client_names[1]: 'no name' is not a client name: use letters, digits and '-', at most "
            "63, and no '-' at the beginning; a name that a certificate proves is written as in "
            "'proved:alice@example.com', a machine's that a trusted proxy names as in 'mac:02:00:5e:00:53:01'",
        ),
        (
            "groups: [{name: a, client_names: ['mac:02:00:5e:00:53']}]",
            "groups[0].client_names[0]: 'mac:02:00:5e:00:53' is not a MAC address: write six octets, as in "
            "'mac:02:00:5e:00:53:01'",
        ),
        (
            "groups: [{name: a, client_names: ['mac:02-00-5E-00-53-01']}, "
            "{name: b, client_names: ['MAC:02:00:5e:00:53:01']}]",
            "groups[1].client_names[0]: mac:02:00:5e:00:53:01 belongs to the group 'a' and to 'b': a client name has "
            "one group, so remove it from one",
        ),
        (
            "groups: [{name: a, client_names: ['proved:a b']}]",
            "groups[0].client_names[0]: 'proved:a b' is not a name in a certificate: write one as in "
            "'proved:alice@example.com', without spaces",
        ),
        (
            "groups: [{name: a, client_names: ['proved:A@x']}, {name: b, client_names: ['proved:a@X']}]",
            "groups[1].client_names[0]: proved:a@x belongs to the group 'a' and to 'b': a client name has one "
            "group, so remove it from one",
        ),
        (
            "groups: [{name: a, client_names: [Kiosk-7]}, {name: b, client_names: [x, kiosk-7]}]",
            "groups[1].client_names[1]: kiosk-7 belongs to the group 'a' and to 'b': a client name has one "
            "group, so remove it from one",
        ),
        ("groups: [{name: a, allow: [ai, zzzzzz]}]", f"groups[0].allow[1]: 'zzzzzz' is not known: {SETS}"),
        (
            "groups: [{name: a, block: [gateways]}]",
            "groups[0].block[0]: 'gateways' has nothing in it here: remove it",
        ),
        (
            "groups: [{name: a, allow: [www.example.net]}]",
            "groups[0].allow[0]: 'www.example.net' looks like a domain name: put it in a list under policy.lists, "
            "and name that list here",
        ),
        ("groups: [{name: a, block: [5]}]", 'groups[0].block[0]: should be text, is 5: put it in quotes, as in "5"'),
    ],
)
def test_a_wrong_policy_is_told_plainly_at_its_place(problems: Problems, text: str, problem: str) -> None:
    assert problems(f"policy:\n  {text}\n") == [f"2: policy.{problem}"]


def test_client_names_are_lower_case_and_kept_once(load: Load) -> None:
    text = "policy: {groups: [{name: a, client_names: [Kiosk-7, ' 9 ', kiosk-7]}]}\n"
    assert load(text).policy.groups[1].client_names == ("kiosk-7", "9")


@pytest.mark.parametrize("rule", ["com", "co.uk", "*.com", "COM.", "ck", "www2.ck", "рф"])
def test_a_block_rule_for_a_public_suffix_is_refused(problems: Problems, rule: str) -> None:
    (problem,) = problems(f"policy: {{lists: [{{name: a, block: ['{rule}']}}]}}\n")
    assert "is a public suffix: a rule for it would block every name below; block the names you mean" in problem


@pytest.mark.parametrize("rule", ["=com", "=co.uk", "github.io", "intranet", "printer.lan", "www.ck"])
def test_a_block_rule_beside_the_public_suffixes_is_taken(load: Load, rule: str) -> None:
    assert load(f"policy: {{lists: [{{name: a, block: ['{rule}']}}]}}\n").policy.lists[0].block == (rule,)


def test_an_allow_rule_may_be_a_public_suffix_and_may_repeat_a_block_rule(load: Load) -> None:
    text = "policy: {lists: [{name: a, block: [example.com], allow: [example.com, ac.uk]}]}\n"
    assert load(text).policy.lists[0].allow == ("example.com", "ac.uk")


def test_without_a_catalogue_any_vendor_and_service_may_be_named(load: Load, problems: Problems) -> None:
    text = "policy: {own_vendors: [x], groups: [{name: a, block: [gateways, any-vendor, any/service, own]}]}\n"
    assert load(text, known=None).policy.groups[1].block == ("gateways", "any-vendor", "any/service", "own")
    (problem,) = problems("policy: {groups: [{name: a, block: [www.example.com]}]}\n", known=None)
    assert "looks like a domain name" in problem


def test_a_set_is_known_when_the_catalogue_fills_it(load: Load) -> None:
    known = KnownReferences(KNOWN.sets | {"gateways"}, KNOWN.vendors, KNOWN.services)
    assert load("policy: {groups: [{name: a, block: [gateways]}]}", known).policy.groups[1].block == ("gateways",)


def test_the_built_in_default_group_needs_no_catalogue(load: Load) -> None:
    nothing = KnownReferences(frozenset(), frozenset(), frozenset())
    assert load("", nothing).policy.groups[0].block == ("ai", "bypass", "lists")


def test_mistakes_between_groups_are_told_beside_mistakes_within_them(problems: Problems) -> None:
    text = """policy:
  groups:
    - name: a
      networks: [10.0.0.0/8, nonsense]
    - name: a
      networks:
        - 10.0.0.0/8
"""
    assert [line.split(": ")[:2] for line in problems(text)] == [
        ["4", "policy.groups[0].networks[1]"],
        ["5", "policy.groups[1].name"],
        ["7", "policy.groups[1].networks[0]"],
    ]


@pytest.mark.slow
def test_a_hundred_thousand_rules_are_read_in_seconds(load: Load) -> None:
    rules = "\n".join(f"    - host{number}.example{number % 977}.com" for number in range(100_000))
    assert len(load(f"policy:\n  lists:\n  - name: big\n    block:\n{rules}\n").policy.lists[0].block) == 100_000


@pytest.mark.slow
def test_in_a_hundred_thousand_rules_each_bad_one_is_told_with_its_line(problems: Problems) -> None:
    rules = "\n".join(
        f"    - {'two words' if number in {7, 99_999} else f'h{number}.com'}" for number in range(100_000)
    )
    assert [line.split(": ")[:2] for line in problems(f"policy:\n  lists:\n  - name: big\n    block:\n{rules}\n")] == [
        ["12", "policy.lists[0].block[7]"],
        ["100004", "policy.lists[0].block[99999]"],
    ]


def test_more_expressions_than_a_policy_may_have_are_refused_at_the_first_one_too_many(problems: Problems) -> None:
    rules = "\n".join(f"    - /^host{number}/" for number in range(1001))
    (problem,) = problems(f"policy:\n  lists:\n  - name: big\n    block:\n{rules}\n")
    assert "1005: policy.lists[0].block[1000]: is one too many" in problem


def test_an_expression_that_costs_too_much_is_refused_with_the_reason(problems: Problems) -> None:
    (problem,) = problems("policy: {lists: [{name: big, block: ['/(a{1,100}b{1,100}){1,10}x/']}]}\n")
    assert "costs too much" in problem


@pytest.mark.parametrize("rule", ["/./", "/[.]com$/", "/^[a-z]+/", "=*.com", "*.*.co.uk"])
def test_a_rule_over_a_whole_top_level_domain_is_refused(problems: Problems, rule: str) -> None:
    (problem,) = problems(f"policy: {{lists: [{{name: big, block: ['{rule}']}}]}}\n")
    assert "covers" in problem
