"""Lists in other programs' formats mean what they mean there: the same list, the same names, both asked.

Many small random lists are put into one config, each below a name of its own, so that a program is started once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import dns.message
import dns.query
import dns.rcode

from blocklists.formats.reading import read_list
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.decision import Verdict
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.wire.names import key_of, parse_name
from tests.support.clients import query
from tests.support.dnsmasq import Dnsmasq
from tests.support.unbound import Unbound

LISTS = 150
TOP = "lists.com"
OWNERS = ("x", "wide.x", "one.wide.x", "a.one.wide.x", "ne.wide.x", "ide.x", "b.x", "a.b.x")
ASKED = (
    *OWNERS,
    *("c.one.wide.x", "d.a.one.wide.x", "lone.wide.x", "c.lone.wide.x", "wwide.x", "c.x", "c.b.x", "d.a.b.x", "a.x"),
)


def below(number: int, name: str) -> str:
    return f"{name}{number:03}.{TOP}"


def ancestors(name: str) -> list[str]:
    """The names above one, as far as they are of one list."""
    labels = name.split(".")
    return [".".join(labels[at:]) for at in range(1, len(labels) - 2)]


def blocks_of(text: str, format_name: str) -> Callable[[str], bool]:
    """What we make of a list."""
    rows = read_list([text.encode()], format_name).content.decode().splitlines()
    rules = [
        SourceRule(parse_rule(rule, is_foreign=True), allow=action == "allow")
        for action, _, rule in (row.partition(" ") for row in rows)
    ]
    compiled = compile_rules([RuleSource(Source("feed", Rank.SUBSCRIPTION), rules)])
    policy = policy_in_memory(compiled, compile_groups([CompiledGroup("default", block=frozenset({"feed"}))], ()), 1)
    view, _ = policy.view_of("127.0.0.1")
    return lambda name: policy.decide(view, key_of(parse_name(name))).verdict is Verdict.BLOCK


def replied(port: int, name: str) -> dns.message.Message:
    return dns.query.udp(query(name), "127.0.0.1", port=port, timeout=10)


def compare(ours: dict[str, bool], theirs: dict[str, bool], lines: Iterable[str]) -> None:
    wrong = [name for name, told in theirs.items() if ours[name] is not told]
    lists = dict.fromkeys(name.split(".")[-3] for name in wrong)
    told = {
        each: ([name for name in wrong if each in name], [line for line in lines if each in line]) for each in lists
    }
    assert not wrong, next(iter(told.values()))
    assert 0.1 < sum(theirs.values()) / len(theirs) < 0.9  # the lists say something


def test_a_dnsmasq_list_blocks_what_dnsmasq_blocks(tmp_path: Path) -> None:
    chance = random.Random(16)
    lines: list[str] = []
    names: list[str] = []
    while len(names) < LISTS * len(ASKED):
        number = len(lines)
        made = []
        for _ in range(chance.choice((1, 2, 3, 4))):
            mark = chance.choice(("", "", "", ".", "*", "*."))
            owner = below(number, chance.choice(OWNERS))
            form = chance.choice(
                ("address=/{}/", "address=/{}/0.0.0.0", "local=/{}/", "server=/{}/", "server=/{}/#", "server=/{}/#")
            )
            made.append(form.format(mark + owner))
        told = read_list(["\n".join(made).encode()], "dnsmasq").inexpressible
        if not any("wildcard" in reason for reason in told):  # exceptions and wildcards that cross each other are told
            lines += made
            names += [below(number, name) for name in ASKED]
    ours = blocks_of("\n".join(lines), "dnsmasq")
    with Dnsmasq(tmp_path, lines) as peer:
        theirs = {name: replied(peer.port, name).rcode() != dns.rcode.REFUSED for name in names}
    compare({name: ours(name) for name in names}, theirs, lines)


def test_an_unbound_list_blocks_what_unbound_blocks(tmp_path: Path) -> None:
    chance = random.Random(17)
    zones = ("static", "redirect", "always_nxdomain", "refuse", "always_null", "transparent", "inform", "nodefault")
    lines: list[str] = []
    names: list[str] = []
    for number in range(LISTS):
        for owner in chance.sample(OWNERS, chance.choice((1, 2, 3, 4))):
            name = chance.choice(("", "", "", "*.")) + below(number, owner)
            if chance.random() < 0.2:
                lines.append(f'local-data: "{name} A 0.0.0.0"')
            lines += [f'local-zone: "{name}" {chance.choice(zones)}' for _ in range(chance.choice((1, 1, 2)))]
        names += [below(number, name) for name in ASKED]
    ours = blocks_of("\n".join(lines), "unbound")
    more = "server:\n" + "".join(f"  {line}\n" for line in lines)
    with Unbound(tmp_path / "unbound", f"*.{TOP}. 60 IN A 192.0.2.1\n", more=more) as peer:
        theirs = {name: "192.0.2.1" not in str(replied(peer.port, name).answer) for name in names}
    compare({name: ours(name) for name in names}, theirs, lines)


def test_a_response_policy_zone_blocks_what_unbound_blocks_by_it(tmp_path: Path) -> None:
    chance = random.Random(18)
    lines = ["$TTL 60", "$ORIGIN rpz.", "@ SOA a. b. 1 2 3 4 5", "@ NS a."]
    for number in range(LISTS):
        for owner in chance.sample(OWNERS, chance.choice((1, 2, 3, 4))):
            for mark in chance.choice(("", "*.", "*.", "+")).replace("+", " *.").split(" "):
                action = chance.choice(("CNAME .", "CNAME .", "CNAME *.", "A 0.0.0.0", "CNAME rpz-passthru."))
                lines.append(f"{mark}{below(number, owner)} {action}")
    owners = {line.split()[0] for line in lines[4:]}
    wild = {owner[2:] for owner in owners if owner.startswith("*.")}
    between = {above for owner in owners for above in ancestors(owner)} - owners  # as which servers are not of one mind
    names = [
        name
        for number in range(LISTS)
        for name in (below(number, name) for name in ASKED)
        if name not in between and not (set(ancestors(name)) & between - wild)
    ]
    (tmp_path / "rpz").write_text("\n".join(lines) + "\n")
    ours = blocks_of("\n".join(lines), "rpz")
    more = f'server:\n  module-config: "respip iterator"\nrpz:\n  name: "rpz."\n  zonefile: "{tmp_path / "rpz"}"\n'
    with Unbound(tmp_path / "unbound", f"*.{TOP}. 60 IN A 192.0.2.1\n", more=more) as peer:
        theirs = {name: "192.0.2.1" not in str(replied(peer.port, name).answer) for name in names}
    compare({name: ours(name) for name in names}, theirs, lines)
