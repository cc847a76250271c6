"""A million random rules in one list: what they cost in time, memory and CPU, and whether serving goes on meanwhile."""

from __future__ import annotations

import os
import random
import signal
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.arithmetic import microseconds_a_query, paired_ratios, spread, turns
from bench.cpu import read_tree
from bench.memory import tree_mib
from prove.figures import Figure, at_most, below, exactly, told
from prove.memory import Peak
from prove.queries import in_turn, mixed, query, write_for_dnsperf
from prove.service import Service
from prove.steady import Steady, back_seconds
from prove.upstream import Upstream
from tests.support.programs import wait_until

WHAT = "a million random rules in one list"
_FEW = 100
_TLDS = (
    "com",
    "net",
    "org",
    "io",
    "ai",
    "dev",
    "app",
    "xyz",
    "de",
    "fr",
    "jp",
    "co.uk",
    "com.br",
    "info",
    "shop",
    "online",
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_PATIENCE_SECONDS = 180.0
_MOST_BYTES_A_RULE = 15
_MOST_RATIO = 1.15
_FIRST_ASKED_A_SECOND = 100_000  # names in a file: more than can be asked
_OPEN = [f"open-{number}.example" for number in range(100)]


@dataclass(frozen=True, slots=True)
class MillionRulesEffort:
    """Size of a run: the full one, or a short look."""

    rules: int
    starts: int
    rounds: int  # of CPU measurements, by turns
    seconds: float  # each
    queries_per_second: int = 2000  # while the rules are put in force
    seed: int = 1


FULL = MillionRulesEffort(rules=1_000_000, starts=5, rounds=7, seconds=2.0)
SHORT = MillionRulesEffort(rules=20_000, starts=1, rounds=0, seconds=0.0, queries_per_second=1000)


def run(effort: MillionRulesEffort, folder: Path) -> list[Figure]:
    """Compile, start, compare, and put in force under load."""
    names = random_names(effort.rules, effort.seed)
    with Upstream(folder / "upstream") as upstream:
        config = {"workers": 1, "upstream": {"servers": [upstream.server]}}
        many = Service(folder / "many", config, block=names, patience_seconds=_PATIENCE_SECONDS)
        few = Service(folder / "few", config, block=names[:_FEW])
        figures = _cold_start(many, len(names))
        with ExitStack() as running:
            running.callback(many.stop)
            figures += _warm_starts(many, names, effort.starts)
            if effort.rounds:
                running.enter_context(few)
                figures += _cpu(many, few, names, effort, folder)
        figures += _while_serving(names, effort, upstream, folder)
    return figures


def random_names(count: int, seed: int) -> list[str]:
    """So many different names of eight to twelve random letters under a public suffix."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(chance.choices(_LETTERS, k=chance.randint(8, 12))) + "." + chance.choice(_TLDS)] = None
    return list(found)


def _cold_start(many: Service, rules: int) -> list[Figure]:
    began = time.monotonic()
    many.start()
    seconds = time.monotonic() - began
    compiled = many.wait_for("policy compiled")
    mapped = sum(entry.bytes for entry in many.manifest.entries)
    worker = max(many.worker_mib())
    many.stop()
    return [
        told("rules", rules),
        told("first start, with reading and compiling", seconds, "s"),
        told("of that, compiling", float(compiled["seconds"]), "s"),
        at_most("mapped a million rules, the catalogue included", mapped / rules, _MOST_BYTES_A_RULE, "MB")
        if rules >= FULL.rules  # among few rules the catalogue is most of it
        else told("mapped", mapped / 1e6, "MB"),
        told("a worker's own memory", worker, "MiB"),
    ]


def _warm_starts(many: Service, names: Sequence[str], times: int) -> list[Figure]:
    """From exec to the first right answer, with the policy on disk. The last one stays started."""
    seconds = []
    compiled = 0
    for number in range(times):
        began = time.monotonic()
        many.launch()
        _await_answer(many.port, names[number])
        seconds.append(time.monotonic() - began)
        many.wait_for("serving")
        compiled += len(many.events_named("policy compiled"))
        if number < times - 1:
            many.stop()
    return [
        told("starts with the policy on disk", times),
        exactly("compilations in those", compiled, 0),
        told("from exec to the first right answer, median", statistics.median(seconds), "s"),
        below("longest", max(seconds), 1, "s"),
    ]


def _await_answer(port: int, name: str) -> None:
    _, wire = query(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", port))
        one.settimeout(0.005)

        def is_right() -> bool:
            try:
                one.send(wire)
                return one.recv(4096)[-4:] == bytes(4)
            except OSError:  # nobody listens yet, or has not answered yet
                time.sleep(0.001)
                return False

        wait_until(is_right, "the first answer", seconds=_PATIENCE_SECONDS)


def _cpu(many: Service, few: Service, names: Sequence[str], effort: MillionRulesEffort, folder: Path) -> list[Figure]:
    """CPU a blocked query at saturation, by turns; the same queries for many rules and few, but for the last row."""
    count = int(effort.seconds * _FIRST_ASKED_A_SECOND)
    chance = random.Random(effort.seed)
    queries = folder / "queries"
    figures: list[Figure] = []

    def repeated(_: int, of: Sequence[str]) -> Iterator[str]:
        return iter(of[:_FEW])

    def first_asked(number: int, of: Sequence[str]) -> Iterator[str]:
        return (f"r{number}n{each}.{of[each % _FEW]}" for each in range(count))

    def spread_out(number: int, of: Sequence[str]) -> Iterator[str]:
        return (f"s{number}n{each}.{chance.choice(of)}" for each in range(count))

    kinds = {
        "the same 100 names again and again": (repeated, names[:_FEW], True),
        "unique names below 100 blocked ones": (first_asked, names[:_FEW], True),
        "unique names below all blocked ones (few: below its 100)": (spread_out, names, False),
    }
    for what, (make, of, is_target) in kinds.items():
        cpu: dict[Service, list[float]] = {many: [], few: []}
        for number in range(effort.rounds):
            for turn in turns(2, number):
                service = (many, few)[turn]
                write_for_dnsperf(queries, make(number, of if service is many else names[:_FEW]))
                before = read_tree(service.pid)
                seen = load.for_seconds(service.port, queries, effort.seconds, repeat=make is repeated)
                used = read_tree(service.pid).since(before)
                cpu[service].append(microseconds_a_query(used.ran_nanoseconds, seen.answered))
        ratio = spread(paired_ratios(cpu[many], cpu[few]))
        said = f"CPU a query, {what}"
        figures.append(told(f"{said}: many rules", statistics.median(cpu[many]), "µs"))
        figures.append(told(f"{said}: {_FEW} rules", statistics.median(cpu[few]), "µs"))
        figures.append(at_most("ratio", ratio.median, _MOST_RATIO) if is_target else told("ratio", ratio.median))
        figures.append(told("its quartiles lie apart by", ratio.high - ratio.low))
    return figures


def _while_serving(names: Sequence[str], effort: MillionRulesEffort, upstream: Upstream, folder: Path) -> list[Figure]:
    """The rules come by SIGHUP to a service under load; meanwhile a worker is killed."""
    config = {"workers": 2, "upstream": {"servers": [upstream.server]}}
    service = Service(folder / "serving", config, block=names[:_FEW], patience_seconds=_PATIENCE_SECONDS)
    with service:
        stream = mixed(in_turn(names[:_FEW]), in_turn(_OPEN))
        with Steady(service.port, stream, effort.queries_per_second) as calm:
            time.sleep(3 if effort.rounds else 1)
        steady_mib = tree_mib(service.pid)
        service.block = names
        service.write_config(config)
        with Peak(service.pid) as peak, Steady(service.port, stream, effort.queries_per_second) as steady:
            known = len(service.events)
            began = time.monotonic()
            service.signal(signal.SIGHUP)
            service.wait_for_another("reloaded", known)
            ready = time.monotonic() - began
        settled_mib = tree_mib(service.pid)
        with Steady(service.port, stream, effort.queries_per_second) as killed:
            service.signal(signal.SIGHUP)  # nothing has changed, but the supervisor must read it all to know
            time.sleep(0.5)
            pids = service.worker_pids()
            killed_at = time.monotonic()
            os.kill(pids[0], signal.SIGKILL)
            wait_until(lambda: len(set(service.worker_pids()) | set(pids)) > len(pids), "a new worker", seconds=120)
            time.sleep(1)
        troubles = len(service.troubles)
    return [
        at_most("put in force by SIGHUP: from the signal to all workers", ready, 10, "s"),
        exactly("meanwhile lost", len(steady.lost), 0),
        told("p99 before", calm.percentile_ms(0.99), "ms"),
        below("p99 meanwhile", steady.percentile_ms(0.99), 20, "ms"),
        told("slowest answer meanwhile", steady.percentile_ms(1), "ms"),
        told("memory of all processes before", steady_mib, "MiB"),
        told("afterwards", settled_mib, "MiB"),
        at_most("meanwhile, most", peak.mib, 500, "MiB"),
        at_most("a worker killed while the config is read: back after", back_seconds(killed.asked, killed_at), 1, "s"),
        exactly("unexpected errors", troubles, 0),
    ]
