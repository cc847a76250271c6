"""`moatdns explain` and the wire agree, for ten thousand random clients and names."""

from __future__ import annotations

import json
import random
import selectors
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import dns.message
import dns.rcode
import pytest
from typer.testing import CliRunner

from blocklists.loading import load_catalogue
from moatdns.cli.commands import app
from resolver.policy.decision import Verdict
from resolver.policy.explain import Explanation, Step, explain
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Subjects
from resolver.snapshot.clocks import now
from resolver.snapshot.snapshot_file import last_good
from resolver.wire.names import parse_name, to_text, wire_of_key
from tests.support.clients import UdpClient, ede, query, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS
from tests.support.unbound import Unbound

PAIRS = 10_000
TRUE_ANSWER = "198.51.100.99"
SEED = 20261123

POLICY = {
    "own_vendors": [],
    "lists": [
        {
            "name": "house",
            "block": ["house.example", "=only.example", "*.star.example", "docs.claude.com"],
            "allow": ["fine.house.example", "=help.openai.com", "open.claude.ai"],
        },
        {"name": "extra", "block": ["extra.example", "fine.house.example"]},
    ],
    "groups": [
        {"name": "research", "networks": ["127.10.0.0/16"], "exempt": True},
        {"name": "strict", "networks": ["127.10.7.0/24"]},
        {"name": "watched", "networks": ["127.20.0.0/16"], "mode": "monitor"},
        {"name": "coders", "networks": ["127.30.0.0/16"], "allow": ["anthropic/claude-code"]},
        {"name": "legal", "networks": ["127.40.0.0/16"], "block": ["openai", "extra"], "allow": ["house"]},
        {"name": "pair", "networks": ["127.50.0.0/16"], "exempt": True, "mode": "monitor"},
        {"name": "closed", "networks": ["127.60.0.0/16"], "response": {"mode": "nxdomain"}},
        {"name": "open", "networks": ["127.70.0.0/16"], "block": []},
        {"name": "one", "networks": ["127.70.0.1"], "response": {"mode": "refused"}},
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    """A server with two workers and many groups, before an upstream that knows every name."""
    with Unbound(tmp_path_factory.mktemp("everything"), f"* 86400 IN A {TRUE_ANSWER}\n") as everything:
        config = {"workers": 2, "upstream": {"servers": [everything.server]}, "policy": POLICY}
        with Moatdns(tmp_path_factory.mktemp("many-groups"), config) as moatdns:
            yield moatdns


def some_clients(chance: random.Random) -> list[str]:
    """Addresses of loopback, most of them in some group."""
    nets = ["127.10", "127.10.7", "127.20", "127.30", "127.40", "127.50", "127.60", "127.70", "127.80", "127"]
    clients = {"127.0.0.1", "127.70.0.1", "127.10.6.255", "127.10.7.0", "127.10.7.255", "127.10.8.0"}
    while len(clients) < 120:
        octets = chance.choice(nets).split(".")
        octets += [str(chance.randint(0, 255)) for _ in range(4 - len(octets))]
        clients.add(".".join(octets))
    return sorted(clients - {"127.255.255.255", "127.0.0.0"})


def some_names(chance: random.Random) -> Iterator[str]:
    """Names of the catalogue and the lists, below them, above them, look-alikes of them, and others."""
    rules = sorted({to_text(wire_of_key(domain.rule.key)) for domain in load_catalogue().domains})
    rules += 20 * [
        name.lstrip("=*.") for entry in POLICY["lists"] for name in (*entry["block"], *entry.get("allow", ()))
    ]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-_"

    def label(most: int) -> str:
        word = "".join(chance.choice(letters) for _ in range(chance.randint(1, most))).strip("-_")
        return word or "x"

    while True:
        name = chance.choice(rules)
        kind = chance.randrange(8)
        if kind == 1:
            name = f"{label(12)}.{name}"
        elif kind == 2:
            name = ".".join([*(label(5) for _ in range(chance.randint(2, 5))), name])
        elif kind == 3:
            name = f"{label(3)}{name}"  # a look-alike: letters in front, no dot
        elif kind == 4:
            name = f"{name}.{label(5)}"  # a look-alike: something behind
        elif kind == 5:
            name = name.partition(".")[2]
        elif kind == 6:
            name = f"{label(10)}.{label(10)}.{label(4)}"
        elif kind == 7:
            at = chance.randrange(len(name))
            name = name[:at] + chance.choice("abcxyz") + name[at + 1 :]
        if chance.random() < 0.2:
            name = "".join(chance.choice((letter, letter.upper())) for letter in name)
        if name and not name.lower().endswith("resolver.arpa"):  # which no policy is asked for
            yield name


def read(response: dns.message.Message) -> str:
    """The verdict that a response shows."""
    extended = ede(response)
    if [code for code, _ in extended] == [15]:
        return f"block: {extended[0][1]}"
    whole = (response.rcode(), rdata(response), extended)
    if whole != (dns.rcode.NOERROR, [TRUE_ANSWER], []):
        return f"unexpected: {whole}"
    return "let through" if ttls(response)[0] <= 60 else "untouched"


def foretold(explanation: Explanation) -> str:
    """The same, by an explanation. What was let through despite a block rule shows in its TTL."""
    if explanation.verdict == Verdict.BLOCK:
        return f"block: {explanation.service or explanation.list} is blocked for group {explanation.group['name']}"
    despite = any("without it" in step.detail for step in explanation.trace)
    return "untouched" if explanation.verdict == Verdict.ALLOW and not despite else "let through"


def ask_all(port: int, pairs: list[tuple[str, str]], *, window: int = 200) -> Iterator[dns.message.Message]:
    """The answers to (client, name) pairs, in order, each asked from the client's own address."""
    with ExitStack() as open_, selectors.DefaultSelector() as selector:
        clients = {client: open_.enter_context(UdpClient(port, client)) for client in {c for c, _ in pairs}}
        for client in clients.values():
            selector.register(client.socket, selectors.EVENT_READ, client)
        for start in range(0, len(pairs), window):
            waiting: dict[tuple[int, int], int] = {}
            answers: dict[int, dns.message.Message] = {}
            for number, (address, name) in enumerate(pairs[start : start + window]):
                asked = query(name)
                asked.id = number
                clients[address].send(asked.to_wire())
                waiting[clients[address].socket.fileno(), number] = number
            while waiting:
                ready = selector.select(PATIENCE_SECONDS)
                assert ready, f"no answer to {[pairs[start + number] for number in waiting.values()]}"
                for key, _ in ready:
                    response = dns.message.from_wire(key.data.receive())
                    number = waiting.pop((key.fd, response.id))
                    answers[number] = response
            yield from (answers[number] for number in sorted(answers))


def policy_of(server: Moatdns) -> PolicySnapshot:
    """The policy that the server has in force, as the command reads it."""
    return last_good(server.snapshots)[0]


def test_ten_thousand_random_verdicts_on_the_wire_are_those_that_explain_gives(server: Moatdns) -> None:
    chance = random.Random(SEED)
    clients = some_clients(chance)
    pairs = [(chance.choice(clients), name) for name, _ in zip(some_names(chance), range(PAIRS), strict=False)]
    policy = policy_of(server)
    wrong = []
    seen: dict[str, int] = {}
    for (client, name), response in zip(pairs, ask_all(server.port, pairs), strict=True):
        explanation = explain(policy, parse_name(name), client, "A", subjects=Subjects(), now=now())
        expected, shown = foretold(explanation), read(response)
        seen[explanation.verdict] = seen.get(explanation.verdict, 0) + 1
        if shown != expected:
            wrong.append((client, name, expected, shown))
    assert not wrong, f"{len(wrong)} of {PAIRS}: {wrong[:10]}"
    assert set(seen) == {"allow", "block", "monitor", "exempt"}
    assert min(seen.values()) > PAIRS / 100, seen  # the random names show every verdict often


def by_process(arguments: list[str]) -> str:
    """What the command prints, run as scripts run it."""
    return subprocess.run([MOATDNS, *arguments], capture_output=True, text=True, timeout=60, check=True).stdout


def by_call(arguments: list[str]) -> str:
    """What the command prints, without the cost of starting Python."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(("run", "times"), [(by_process, 6), (by_call, 42)])
def test_the_command_gives_the_verdicts_of_the_wire_too(
    server: Moatdns, run: Callable[[list[str]], str], times: int
) -> None:
    chance = random.Random(SEED + times)
    clients = some_clients(chance)
    pairs = [(chance.choice(clients), name) for name, _ in zip(some_names(chance), range(times), strict=False)]

    def explained(pair: tuple[str, str]) -> Explanation:
        client, name = pair
        plain = json.loads(run(["explain", name, "--client", client, "--config", str(server.config_file), "--json"]))
        assert plain.pop("origin") == f"revision {plain['revision']} in {server.state_dir}"
        return Explanation(**{**plain, "trace": [Step(**step) for step in plain["trace"]]})

    with ThreadPoolExecutor(2 if run is by_process else 1) as together:
        explanations = list(together.map(explained, pairs))
    for explanation, response in zip(explanations, ask_all(server.port, pairs), strict=True):
        assert foretold(explanation) == read(response), explanation
