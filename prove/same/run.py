"""The same 100,000 questions asked of moatdns and of unbound, both forwarding to NSD, and every answer compared.

What differs is either explained by a rule of `prove.same.comparing`, counted by rule here, or it is a bug.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message

from prove.figures import Figure, at_least, exactly, told
from prove.same.answers import Seen, read
from prove.same.asking import Answers, ask
from prove.same.comparing import EXPLANATIONS, Exchange, judge, ttl_differences
from prove.same.questions import Asked, questions
from prove.same.servers import ForwardingUnbound, Nsd
from prove.same.zones import zones
from prove.service import Service

WHAT = "the same questions asked of moatdns and of unbound, both forwarding to NSD: every answer compared"
_SEED = 1
_MOST_TOLD = 10  # unexplained differences, one by one
_RD, _TC = 0x01, 0x02  # in the third octet


@dataclass(frozen=True, slots=True)
class SameEffort:
    """Size of a run: the full one, or a short look."""

    questions: int
    names: int  # ordinary ones in each of the three large zones
    seed: int = _SEED


FULL = SameEffort(questions=100_000, names=1000)
SHORT = SameEffort(questions=5000, names=100)


@dataclass(frozen=True, slots=True)
class _Heard:
    """All answers: to the questions, in their order, and to those that help to judge."""

    asked: Sequence[Asked]
    ours: Answers
    theirs: Answers
    theirs_with_rd: dict[Asked, tuple[bytes | None, bytes | None]]
    origin: dict[Asked, tuple[bytes | None, bytes | None]]
    seconds: float  # that our answers took: no TTL was counted down by more


def run(effort: SameEffort, folder: Path) -> list[Figure]:
    """Ask, compare, count."""
    heard = _hear(effort, folder)
    found = _Comparison(heard)
    for number in range(len(heard.asked)):
        found.add(number)
    return [
        told("questions", len(heard.asked)),
        told("– different ones", len(set(heard.asked))),
        told("– answered with data", found.with_data),
        told("– NXDOMAIN", found.without_name),
        told("– asked over TCP, at once or since the answer was cut", found.by_tcp),
        exactly("without an answer of ours", found.silent, 0),
        told("without an answer of unbound's", found.theirs_silent),
        at_least("answers alike", found.alike, 0.85 * len(heard.asked)),
        *(told(f"explained: {explanation}", found.explained[explanation]) for explanation in EXPLANATIONS),
        exactly("unexplained differences", found.unexplained.total(), 0),
        *(told(f"– {kinds}", count) for kinds, count in found.unexplained.most_common()),
        exactly("TTLs above the original, or far below it", found.wrong_ttls, 0),
    ]


def _hear(effort: SameEffort, folder: Path) -> _Heard:
    made = zones(effort.seed, effort.names)
    asked = questions(effort.seed, made, effort.questions)
    without_rd = list({one for one in asked if not one.wire[2] & _RD})
    directly = list(dict.fromkeys(_of_the_origin(one) for one in asked))
    with Nsd(folder / "nsd", made) as nsd:
        config = {"workers": 1, "upstream": {"servers": [nsd.server]}}
        with Service(folder / "moatdns", config) as service:
            began = time.monotonic()
            ours = ask(service.port, asked)
            seconds = time.monotonic() - began
        with ForwardingUnbound(folder / "unbound", nsd.port) as unbound:
            theirs = ask(unbound.port, asked, tries=3)
            with_rd = ask(unbound.port, [_with_rd(one, one.by_tcp) for one in without_rd], tries=3)
        origin = ask(nsd.port, directly)
    return _Heard(
        asked,
        ours,
        theirs,
        dict(zip(without_rd, with_rd, strict=True)),
        dict(zip(directly, origin, strict=True)),
        seconds,
    )


def _with_rd(one: Asked, by_tcp: bool) -> Asked:
    return Asked(one.wire[:2] + bytes((one.wire[2] | _RD,)) + one.wire[3:], by_tcp)


def _of_the_origin(one: Asked) -> Asked:
    """The question as the origin is asked for the whole answer."""
    return _with_rd(one, by_tcp=True)


def _is_silent(answers: tuple[bytes | None, bytes | None]) -> bool:
    first, by_tcp = answers
    return first is None or (first[2] & _TC != 0 and by_tcp is None)


class _Comparison:
    """Findings of the comparison of all answers."""

    def __init__(self, heard: _Heard) -> None:
        self.alike = self.silent = self.theirs_silent = self.with_data = self.without_name = self.by_tcp = (
            self.wrong_ttls
        ) = 0
        self.explained: Counter[str] = Counter()
        self.unexplained: Counter[str] = Counter()
        self._heard = heard
        self._read: dict[bytes, Seen] = {}
        self._originals: dict[tuple[str, object], int] = {}
        for whole, _ in heard.origin.values():
            self._note_originals(self._seen(whole))

    def add(self, number: int) -> None:
        """Compare the answers to one question."""
        heard = self._heard
        asked, ours, theirs = heard.asked[number], heard.ours[number], heard.theirs[number]
        if _is_silent(ours) or _is_silent(theirs):
            self.silent += _is_silent(ours)
            self.theirs_silent += _is_silent(theirs)
            self._tell(asked, ["no answer of ours" if _is_silent(ours) else "no answer of unbound's"])
            return
        with_rd = heard.theirs_with_rd.get(asked)
        exchange = Exchange(
            query=dns.message.from_wire(asked.wire),
            ours=self._whole(ours),
            theirs=self._whole(theirs),
            ours_at_first=self._seen(ours[0]),
            theirs_at_first=self._seen(theirs[0]),
            theirs_with_rd=(self._whole(with_rd), self._seen(with_rd[0])) if with_rd else None,
            origin=self._seen(heard.origin[_of_the_origin(asked)][0]),
        )
        self.by_tcp += asked.by_tcp or ours[1] is not None
        self.with_data += bool(exchange.ours.answer)
        self.without_name += exchange.ours.rcode == dns.rcode.NXDOMAIN
        verdict = judge(exchange)
        if verdict.explanation is not None:
            self.explained[verdict.explanation] += 1
        elif verdict.kinds:
            self.unexplained[", ".join(verdict.kinds)] += 1
            self._tell(asked, verdict.kinds)
        else:
            self.alike += 1
        if wrong := ttl_differences(exchange, self._originals, heard.seconds):
            self.wrong_ttls += 1
            self._tell(asked, wrong)

    def _seen(self, wire: bytes | None) -> Seen:
        """An answer read. Raises ValueError where there is none, or it is malformed."""
        if wire is None:
            raise ValueError("a server did not answer")
        seen = self._read.get(wire[2:])
        if seen is None:
            seen = self._read[wire[2:]] = read(wire)
        return seen

    def _whole(self, answers: tuple[bytes | None, bytes | None]) -> Seen:
        return self._seen(answers[0] if answers[1] is None else answers[1])

    def _note_originals(self, seen: Seen) -> None:
        for where, section in (("answer", seen.answer), ("authority", seen.authority)):
            for key, (_, ttl) in section.items():
                self._originals[where, key] = max(ttl, self._originals.get((where, key), 0))

    def _tell(self, asked: Asked, kinds: Sequence[str]) -> None:
        """Tell of one of the first few, on stderr: the figures only count."""
        if self.unexplained.total() + self.wrong_ttls + self.silent <= _MOST_TOLD:
            query = dns.message.from_wire(asked.wire)
            flags = dns.flags.to_text(query.flags)
            edns = f" EDNS {query.edns} DO {bool(query.ednsflags)} {query.payload}" if query.edns >= 0 else ""
            way = "TCP" if asked.by_tcp else "UDP"
            sys.stderr.write(f"{', '.join(kinds)}: {query.question[0]} [{flags}]{edns} {way}\n")
