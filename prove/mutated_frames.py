"""Mutated frames of HTTP/2, a million of them: no error that nobody expected, no answer that is none, no bound passed.

They go to the reader itself, in this process, a connection for a dozen of them. All that it says is read by the hpack
and hyperframe libraries, and an honest connection now and then is answered as if nothing had been.
"""

from __future__ import annotations

import random
import resource
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from prove.figures import Figure, at_most, exactly, told
from prove.frame_mutations import conversation, honest
from tests.support.http2_conversation import hear

WHAT = "mutated frames of HTTP/2"
_CONNECTIONS_A_WITNESS = 64
_STATUSES = {"200", "400", "404", "405", "413", "414", "415", "431"}
_SETTLED_SHARE = 0.2  # of the frames; by then, caches of this process are full
_MIB_GROWTH = 8
_SECONDS_EACH = 0.05  # of CPU, for a dozen frames; some are in pieces of an octet


@dataclass(frozen=True, slots=True)
class MutatedFramesEffort:
    """Size of a run: the full one, or a short look."""

    frames: int
    seed: int = 1


FULL = MutatedFramesEffort(frames=1_000_000)
SHORT = MutatedFramesEffort(frames=10_000)


def run(effort: MutatedFramesEffort, _folder: Path) -> list[Figure]:
    """Say them all."""
    chance = random.Random(effort.seed)
    ends: Counter[str] = Counter()
    said = connections = errors = strange = witnesses = unanswered = settled = 0
    slowest = 0.0
    while said < effort.frames:
        pieces, count = conversation(chance)
        said += count
        connections += 1
        began = time.process_time()
        try:
            outcome = hear(pieces)
        except Exception as error:  # whatever it is, it is what we look for
            errors += 1
            ends[repr(error)] += 1
            continue
        slowest = max(slowest, time.process_time() - began)
        ends[outcome.bound] += 1
        strange += not _STATUSES.issuperset(outcome.told.statuses.values())
        if not connections % _CONNECTIONS_A_WITNESS:
            witnesses += 1
            unanswered += not _is_answered()
        if not settled and said >= effort.frames * _SETTLED_SHARE:
            settled = _peak_mib()
    return [
        told("frames", said),
        told("connections", connections),
        *(told(f"that ended as {bound}", ends[bound]) for bound in sorted(ends) if bound),
        told("that went on", ends[""]),
        exactly("unexpected errors", errors, 0),
        exactly("connections with an answer of another status than any of ours", strange, 0),
        told("honest connections in between", witnesses),
        exactly("that were not answered", unanswered, 0),
        at_most("CPU for one connection", slowest, _SECONDS_EACH, "s"),
        at_most("this process grew, once its caches were full, by", _peak_mib() - settled, _MIB_GROWTH, "MiB"),
    ]


def _is_answered() -> bool:
    requests, bodies = honest()
    outcome = hear(requests)
    return outcome.told.bodies == bodies and outcome.told.goodbye == 0


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
