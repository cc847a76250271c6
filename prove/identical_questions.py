"""Guesses left to an off-path forger: identical questions are asked once, message IDs and ports are evenly spread."""

from __future__ import annotations

import itertools
import socket
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prove.chance import chi_square_p, kolmogorov_smirnov_p
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import query, unique
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream, UpstreamQuery

WHAT = "identical questions at once; message IDs and ports of unique ones"
WORKERS = 2
_MOST_QUERIES_A_PORT = 8
_LOWEST_PORT = 1024
_LEAST_P = 0.0001  # by chance alone, one run in 10,000 misses such a target
_PORT_BINS = 63  # of 1,024 ports each
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class IdenticalQuestionsEffort:
    """Size of a run: the full one, or a short look."""

    questions: int  # each asked `at_once` times
    unique: int
    at_once: int = 100
    queries_per_second: int = 2000


FULL = IdenticalQuestionsEffort(questions=50, unique=10_000)
SHORT = IdenticalQuestionsEffort(questions=5, unique=2000)


def run(effort: IdenticalQuestionsEffort, folder: Path) -> list[Figure]:
    """Ask both, and look at what the upstream saw."""
    return [*_identical(effort, folder / "identical"), *_unique(effort, folder / "unique")]


def _identical(effort: IdenticalQuestionsEffort, folder: Path) -> list[Figure]:
    names = [f"same-{number}.example" for number in range(effort.questions)]
    with (
        Upstream(folder / "upstream", delay_seconds=0.3) as upstream,
        Service(folder / "moatdns", _config(WORKERS, upstream)) as service,
    ):
        answered = sum(_ask_at_once(service.port, name, effort.at_once) for name in names)
    asked = Counter(each.name for each in upstream.asked)
    return [
        told(f"questions, each asked {effort.at_once} times at once", len(names)),
        exactly("queries for them without an answer", effort.at_once * len(names) - answered, 0),
        at_most("upstream queries for one question, most", max(asked.values()), WORKERS),
        told("workers", WORKERS),
    ]


def _ask_at_once(port: int, name: str, times: int) -> int:
    """Ask the same question from as many ports; how many were answered."""
    _, wire = query(name)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(times)]
    answered = 0
    try:
        for one in sockets:
            one.connect(("127.0.0.1", port))
        for number, one in enumerate(sockets):
            one.send(number.to_bytes(2, "big") + wire[2:])
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for number, one in enumerate(sockets):
            one.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                answered += one.recv(4096)[:2] == number.to_bytes(2, "big")
            except TimeoutError:
                continue
    finally:
        for one in sockets:
            one.close()
    return answered


def _unique(effort: IdenticalQuestionsEffort, folder: Path) -> list[Figure]:
    # One worker: two that happen to draw the same port would look like one port that serves too many.
    with (
        Upstream(folder / "upstream") as upstream,
        Service(folder / "moatdns", _config(1, upstream)) as service,
        Steady(service.port, unique("one"), effort.queries_per_second, most=effort.unique) as steady,
    ):
        steady.wait_until_sent()
    asked = upstream.asked
    ids = [each.message_id for each in asked]
    ports = Counter(each.port for each in asked)
    in_range = [port - _LOWEST_PORT for port in ports]
    return [
        exactly("unique questions without an answer", len(steady.lost), 0),
        at_least("upstream queries for them", len(asked), effort.unique),
        at_least("IDs: chi-square over 256 bins, high octet, p", chi_square_p([i >> 8 for i in ids], 256), _LEAST_P),
        at_least("IDs: chi-square over 256 bins, low octet, p", chi_square_p([i & 255 for i in ids], 256), _LEAST_P),
        at_least("IDs: Kolmogorov-Smirnov, p", kolmogorov_smirnov_p(ids, 0, 65535), _LEAST_P),
        at_least("IDs: step from one query to the next, chi-square, p", _steps_p(asked), _LEAST_P),
        at_most("queries from one source port, most", max(ports.values()), _MOST_QUERIES_A_PORT),
        told("source ports used", len(ports)),
        at_least("ports: chi-square over 63 bins, p", chi_square_p([p >> 10 for p in in_range], _PORT_BINS), _LEAST_P),
        at_least("ports: Kolmogorov-Smirnov, p", kolmogorov_smirnov_p(in_range, 0, 64511), _LEAST_P),
    ]


def _steps_p(asked: list[UpstreamQuery]) -> float:
    """Whether one ID tells anything of the next: their difference modulo 65,536 must be as evenly spread."""
    steps = [(after.message_id - before.message_id) & 0xFFFF for before, after in itertools.pairwise(asked)]
    return chi_square_p([step >> 8 for step in steps], 256)


def _config(workers: int, upstream: Upstream) -> dict[str, Any]:
    return {"workers": workers, "upstream": {"servers": [upstream.server]}}
