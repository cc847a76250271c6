"""The worst packets of 64 KiB: what each costs a worker, and that all others are answered beside them.

Costs are CPU time of this process, from an upstream's answer or a query to the reply, by the worker's own code with its
guard against rebinding and rules about addresses; the least of some rounds, so that a busy machine does not count.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prove.figures import Figure, at_most, below, exactly, told
from prove.queries import in_turn
from prove.service import Service
from prove.steady import Steady
from prove.upstream import WorstUpstream
from prove.worst_messages import ANSWERS, QUERIES, Worst, question_for
from resolver.answering.answerer import OwnAnswers
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.pipeline import Pending, Pipeline
from resolver.answering.rebinding import RebindingGuard
from resolver.answering.resolution import Resolver
from resolver.cache.responses import ResponseCache
from resolver.config.settings import CacheSettings, Limits
from resolver.errors import UpstreamError
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.telemetry.counters import Counters
from resolver.wire.transport import Transport
from tests.support.encrypted import Certificates, curl

WHAT = "the worst packets of 64 KiB, from upstreams and from clients"
_MOST_MS = 10
_MOST_TRIES = 3  # of one server (RFC 9520 section 3.1)
_RULES = ("claude.ai", "ip:198.51.100.0/24", "*.blocked*.example", "/^x[0-9]+[.]/")
_OPEN = [f"open-{number}.example" for number in range(20)]
_WORKERS = 2
_PATIENCE_SECONDS = 10.0
_SERVFAIL = 2
_OK = 200
_NO_ID = b"\0\7"


@dataclass(frozen=True, slots=True)
class WorstPacketsEffort:
    """Size of a run: the full one, or a short look."""

    rounds: int  # of each in this process
    rounds_of_server: int


FULL = WorstPacketsEffort(rounds=20, rounds_of_server=20)
SHORT = WorstPacketsEffort(rounds=5, rounds_of_server=1)


def run(effort: WorstPacketsEffort, folder: Path) -> list[Figure]:
    """In this process, for what each costs; then by a server, for what else goes on."""
    costs = asyncio.run(_costs(effort.rounds))
    return [*costs, *_by_a_server(effort, folder)]


class _Upstreams:
    """Keeps the questions until they are answered."""

    def __init__(self) -> None:
        self.asked: list[Callable[[bytes | UpstreamError], None]] = []

    def ask(
        self,
        question: bytes,
        *,
        dnssec_ok: bool,
        checking_disabled: bool,
        done: Callable[[bytes | UpstreamError], None],
    ) -> None:
        """As Forwarder.ask."""
        self.asked.append(done)

    def close(self) -> None:
        """As Forwarder.close."""


class _Worker:
    """The parts of a worker that read, judge and answer; with an empty cache."""

    def __init__(self) -> None:
        limits, counters, self.upstreams = Limits(), Counters(), _Upstreams()
        rules = [RuleSource(Source("house", Rank.OWN), [SourceRule(parse_rule(rule)) for rule in _RULES])]
        groups = [CompiledGroup("default", block=frozenset({"house"}))]
        resolver = Resolver(
            self.upstreams,
            ResponseCache(CacheSettings()),
            CacheSettings(),
            max_in_flight=limits.queries_in_flight,
            max_in_flight_per_domain=limits.queries_in_flight_per_domain,
            dropped=counters.dropped,
            loop=asyncio.get_running_loop(),
            guard=RebindingGuard(()),
        )
        policy = policy_in_memory(compile_rules(rules), compile_groups(groups, []))
        self.pipeline = Pipeline(resolver, policy, ClientBounds(("127.0.0.0/8",), limits), OwnAnswers(), counters)
        self.client = self.pipeline.clients.at("127.0.0.1")

    def ask(self, query: bytes) -> bytes | Pending | None:
        return self.pipeline.answer_now(query, self.client, Transport.TCP)


async def _costs(rounds: int) -> list[Figure]:
    figures = []
    first: dict[str, float] = {}
    again: dict[str, float] = {}
    rcodes: dict[str, int] = {}
    for name, worst in ANSWERS.items():
        message = worst.message(_NO_ID)
        taken = [_cost_of(worst, message) for _ in range(rounds)]
        first[name] = 1000 * min(each[0] for each in taken)
        again[name] = 1000 * min(each[1] for each in taken)
        rcodes[name] = taken[0][2]
    queries = {name: 1000 * min(_cost_of_query(made()) for _ in range(rounds)) for name, made in QUERIES.items()}
    for what, costs in (
        ("an upstream's answer", first),
        ("– asked for again", again),
        ("a query", queries),
    ):
        worst_of_all = max(costs, key=lambda name: costs[name])
        figures += [
            told(f"{what}: kinds", len(costs)),
            below(f"– the worst ({worst_of_all}), CPU", costs[worst_of_all], _MOST_MS, "ms"),
        ]
    for bound, name in _BITES.items():
        figures.append(exactly(f"refused (SERVFAIL): {bound}", rcodes[name], _SERVFAIL))
    figures.append(exactly("a chain of 11 CNAMEs is followed", rcodes["a chain of 11 CNAMEs, then 900 addresses"], 0))
    return figures


_BITES = {
    "a chain of 12 CNAMEs": "a chain of 12 CNAMEs",
    "4,000 records": "4,000 addresses",
    "1,000 names to judge": "1,000 services at as many names",
    "16,000 addresses to judge": "a service with 16,000 address hints",
    "names of 10,000 labels": "no such name, SOA records of the longest names",
}


def _cost_of(worst: Worst, message: bytes) -> tuple[float, float, int]:
    """CPU seconds for an answer that comes, and for the same question asked again; and the rcode."""
    worker = _Worker()
    pending = worker.ask(_NO_ID + worst.query)
    assert isinstance(pending, Pending)
    replies: list[bytes] = []
    worker.pipeline.resolve(pending, replies.append)
    [done] = worker.upstreams.asked
    began = time.thread_time()
    done(message)
    first = time.thread_time() - began
    began = time.thread_time()
    worker.ask(_NO_ID + worst.query)
    return first, time.thread_time() - began, replies[0][3] & 0xF


def _cost_of_query(query: bytes) -> float:
    worker = _Worker()
    began = time.thread_time()
    worker.ask(query)
    return time.thread_time() - began


def _by_a_server(effort: WorstPacketsEffort, folder: Path) -> list[Figure]:
    certificates = Certificates(folder / "certificates")
    with WorstUpstream(folder / "upstream") as upstream:
        config = {"workers": _WORKERS, "upstream": {"servers": [upstream.server]}}
        with (
            Service(folder / "moatdns", config, certificates=certificates) as service,
            Steady(service.port, in_turn([*_OPEN, "claude.ai"]), 200) as steady,
        ):
            before = service.worker_pids()
            answers = Counter(
                _ask(service.port, _query_for(number, turn))
                for turn, number in itertools.product(range(effort.rounds_of_server), range(len(ANSWERS)))
            )
            queries = [made() for made in QUERIES.values()] * effort.rounds_of_server
            by_tcp = sum(_ask(service.port, query) is None for query in queries)
            by_doh = sum(
                curl(certificates, service.doh_port, "/dns-query", body=query).status != _OK for query in queries
            )
            ended = len({*before} - {*service.worker_pids()})
            troubles = len(service.troubles)
    asked = Counter(each.name for each in upstream.asked if "open-" not in each.name)
    return [
        told("by a server: such answers asked for over TCP", answers.total()),
        exactly("– without an answer", answers[None], 0),
        told("– refused (SERVFAIL)", answers[_SERVFAIL]),
        at_most("– upstream queries for one of them, most", max(asked.values()), _MOST_TRIES),
        told("such queries over TCP, and over DoH", len(queries)),
        exactly("– without an answer over TCP", by_tcp, 0),
        exactly("– without an answer over DoH", by_doh, 0),
        told("other queries meanwhile", len(steady.asked)),
        exactly("– lost", len(steady.lost), 0),
        told("– p99", steady.percentile_ms(0.99), "ms"),
        exactly("workers that ended, unexpected errors", troubles + ended, 0),
    ]


def _query_for(number: int, turn: int) -> bytes:
    worst = list(ANSWERS.values())[number]
    question = question_for(number, turn)
    own = worst.query
    return _NO_ID + own.replace(worst.question, question)


def _ask(port: int, query: bytes) -> int | None:
    """Ask over TCP; the rcode, or None where nothing comes."""
    try:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS) as one:
            one.sendall(struct.pack("!H", len(query)) + query)
            data = b""
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                piece = one.recv(65_536)
                if not piece:
                    return None
                data += piece
            return data[5] & 0xF
    except OSError:
        return None
