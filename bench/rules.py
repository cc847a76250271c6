"""The cost of many rules: each server with a hundred, a hundred thousand and a million, all in one run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from bench.errors import BenchError
from bench.kinds.job import Job, Server
from bench.measure import Effort, Measured, Say, Scene, measure, right_within, settle
from bench.memory import tree_mib
from bench.servers import running, running_stub
from bench.workloads import Workload

ASKED = 90
_PATIENCE_SECONDS = 240.0  # to start with a million rules
_FREE_MIB = 4096  # before a server with a million rules is started
_MULTIPLIER = 0x9E3779B1  # odd, so that no two numbers give the same name
_SUFFIXES = ("com", "net", "org", "io", "ai", "dev", "co.uk", "com.br", "info", "shop")


def rule_names(count: int) -> tuple[str, ...]:
    """So many different names that share no order with their numbers."""
    suffixes = len(_SUFFIXES)
    return tuple(f"x{number * _MULTIPLIER % 2**32:08x}.{_SUFFIXES[number % suffixes]}" for number in range(count))


def named(server: str, rules: int) -> str:
    """The name of a server with so many rules."""
    return f"{server}, {rules:,} rules"


def measure_rules(
    servers: Sequence[Server], sizes: Sequence[int], effort: Effort, folder: Path, say: Say
) -> tuple[Measured, dict[str, dict[str, float]]]:
    """CPU a query for names of the list; and for each server the seconds of its first start and its memory in MiB."""
    names = rule_names(max(sizes))
    few = names[: min(sizes)]
    asked = few[:: max(1, len(few) // ASKED)][:ASKED]
    told = " and ".join(f"{size:,}" for size in sizes)
    workload = Workload("rules", f"{len(asked)} names of a list of {told} names", listed=asked, pattern="b")
    started: dict[str, dict[str, float]] = {}
    with contextlib.ExitStack() as stack:
        (folder / "stub").mkdir(parents=True)
        stub = stack.enter_context(running_stub(folder / "stub"))
        found = Scene(stub, [], folder, {})
        for size in sizes:
            job = Job((), names[:size], stub.ports.do53)
            for number, server in enumerate(servers):
                name = named(server.name, size)
                say(f"starting {name}")
                try:
                    begun = time.monotonic()
                    _room(effort)
                    own = folder / f"{size}-{number}"
                    own.mkdir()
                    one = stack.enter_context(
                        running(replace(server, name=name), job, own, patience_seconds=_PATIENCE_SECONDS)
                    )
                    right_within(one, workload, _PATIENCE_SECONDS)
                    started[name] = {"seconds": time.monotonic() - begun, "mib": tree_mib(one.pid)}
                    found.servers.append(one)
                except BenchError as error:
                    found.missing[name] = str(error)
                    say(str(error))
        settle([server.pid for server in found.servers], say)
        measured = measure(found, workload, effort, say)
    for size in sizes[1:]:
        measured.fewest.update({named(server.name, size): named(server.name, sizes[0]) for server in servers})
    return measured, started


def _room(effort: Effort) -> None:
    if psutil.virtual_memory().available < _FREE_MIB * 2**20:
        raise BenchError(f"less than {_FREE_MIB} MiB of memory are free")
    if effort.is_over():
        raise BenchError("the time of the run was up")
