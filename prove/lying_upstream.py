"""Upstreams that lie before they tell the truth: the truth comes, and nothing else is kept (RFC 5452, TuDoor)."""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.rcode

from prove.figures import Figure, at_least, exactly, told
from prove.liar_program import POISON, TRUTH, victim_of
from prove.queries import query
from prove.service import Service
from prove.upstream import Liar

WHAT = "wrong IDs, questions, addresses, garbage, foreign records, and then the truth"
_WORKERS = 2
_AT_ONCE = 10  # questions in flight
_PATIENCE_SECONDS = 6.0

# The letters that a name begins with → what the upstream says before the truth (prove.liar_program).
_KINDS = {
    "id": "wrong IDs",
    "question": "wrong questions",
    "query": "QR=0",
    "address": "wrong port and address",
    "garbage": "garbage with the right ID",
}


@dataclass(frozen=True, slots=True)
class LyingUpstreamEffort:
    """Size of a run: the full one, or a short look."""

    lies: int  # before each true answer
    names: int  # of each kind
    names_never_true: int  # over UDP; the truth is to be had over TCP
    names_with_foreign_records: int


FULL = LyingUpstreamEffort(lies=1000, names=200, names_never_true=10, names_with_foreign_records=100)
SHORT = LyingUpstreamEffort(lies=300, names=5, names_never_true=2, names_with_foreign_records=5)


def run(effort: LyingUpstreamEffort, folder: Path) -> list[Figure]:
    """Ask, ask again, and ask for the names that the lies were about."""
    kinds = {kind: [f"{kind}{number}.example" for number in range(effort.names)] for kind in _KINDS}
    never = [f"never{number}.example" for number in range(effort.names_never_true)]
    foreign = [f"foreign{number}.example" for number in range(effort.names_with_foreign_records)]
    every = [*(name for names in kinds.values() for name in names), *never, *foreign]
    victims = [victim_of(name) for name in (*kinds["question"], *foreign)]
    with Liar(folder / "liar", lies=effort.lies) as liar:
        config = {"workers": _WORKERS, "upstream": {"servers": [liar.server]}}
        with Service(folder / "moatdns", config) as service:
            began = time.monotonic()
            first = {kind: _ask(service.port, names) for kind, names in kinds.items()}
            first["never"] = _ask(service.port, never)
            first["foreign"] = _ask(service.port, foreign)
            seconds = time.monotonic() - began
            again = _ask(service.port, every)
            of_victims = _ask(service.port, victims)
            pids = service.worker_pids()
            troubles = len(service.troubles)
    everything = {name: said for answers in (*first.values(), of_victims) for name, said in answers.items()}
    poisoned = sum(POISON in said for said in (*everything.values(), *again.values()))
    asked = Counter(each.name for each in liar.asked)
    forged = effort.lies * (len(every) - len(foreign)) + effort.lies * effort.names  # `address` lies from two sockets
    by_tcp = sum(each.port == 0 for each in liar.asked)
    figures = [told("forged replies", forged), told("in", seconds, "s")]
    for kind, names in kinds.items():
        figures.append(exactly(f"{_KINDS[kind]}: names without the true answer", _untrue(first[kind], names), 0))
    return [
        *figures,
        exactly("true over TCP only: names without the true answer", _untrue(first["never"], never), 0),
        exactly("foreign records: names without the true answer", _untrue(first["foreign"], foreign), 0),
        exactly("asked again: names without the true answer", _untrue(again, every), 0),
        exactly("names of the lies, asked for: without the true answer", _untrue(of_victims, victims), 0),
        at_least("such names that had to be asked upstream", sum(name in asked for name in victims), len(victims)),
        exactly("answers with a forged address", poisoned, 0),
        told("names asked over TCP in the end", by_tcp),
        exactly("workers that ended, unexpected errors", troubles + (len(pids) != _WORKERS), 0),
    ]


def _untrue(said: dict[str, list[str]], names: Sequence[str]) -> int:
    return sum(said[name] != [TRUTH] for name in names)


def _ask(port: int, names: Sequence[str]) -> dict[str, list[str]]:
    """Ask each name, some at a time, from a socket of its own; gives the data of all records of the answers."""
    found: dict[str, list[str]] = {}
    for begin in range(0, len(names), _AT_ONCE):
        found |= _ask_some(port, names[begin : begin + _AT_ONCE])
    return found


def _ask_some(port: int, names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in names}
    waiting: dict[socket.socket, str] = {}
    try:
        for name in names:
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            waiting[one] = name
            one.connect(("127.0.0.1", port))
            one.send(query(name)[1])
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while waiting and (left := deadline - time.monotonic()) > 0:
            for one in select.select(list(waiting), [], [], left)[0]:
                answer = dns.message.from_wire(one.recv(65535))
                sections = (answer.answer, answer.authority, answer.additional)
                data = [rdata.to_text() for section in sections for rrset in section for rdata in rrset]
                name = waiting.pop(one)
                found[name] = data if answer.rcode() == dns.rcode.NOERROR else [dns.rcode.to_text(answer.rcode())]
                one.close()
    finally:
        for one in waiting:
            one.close()
    return found
