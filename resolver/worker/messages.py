"""Messages between the supervisor and a worker.

The worker says `Listening`, the supervisor asks it to `Serve`, and from then on anything may come. A worker ends by
itself when the channel closes: nobody would replace it, and its sockets would be held for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resolver.config.settings import WorkerSettings
from resolver.snapshot.journal_places import Position
from resolver.system.channel import Asks, MessageSet
from resolver.telemetry.pseudonyms import PseudonymPeriod

START_SECONDS: Final = 30.0
"""For a worker to listen, and then to serve; one that takes longer is taken for hung."""
CHANGE_SECONDS: Final = 30.0
"""For a worker to take in a policy, leases and exemptions, to begin its counters anew, or to flush its cache."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """File descriptors that a worker inherits: its listening sockets, and where it puts query events."""

    udp: tuple[int, ...]
    tcp: tuple[int, ...]
    dot: tuple[int, ...]
    doh: tuple[int, ...]
    events: int

    @property
    def every(self) -> tuple[int, ...]:
        """All of them."""
        return (*self.udp, *self.tcp, *self.dot, *self.doh, self.events)


# From the supervisor: requests, and what answers them


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The revision of the policy that is served from now on."""

    revision: int


@dataclass(frozen=True, slots=True)
class Serve(Asks[PolicyInForce]):
    """Begin to serve. `is_checked`: the policy's files have just been checked, so the worker need not."""

    settings: WorkerSettings
    cookie_secret: tuple[str, ...]  # hexadecimal, the first makes cookies; none: cookies are off
    manifest: Path
    is_checked: bool
    subjects: Position | None
    sockets: Descriptors
    pseudonyms: tuple[PseudonymPeriod, ...] = ()


@dataclass(frozen=True, slots=True)
class UsePolicy(Asks[PolicyInForce]):
    """Put a policy in force."""

    manifest: Path


@dataclass(frozen=True, slots=True)
class SubjectsInForce:
    """Leases, exemptions and pauses are in force as they were ordered."""


@dataclass(frozen=True, slots=True)
class UseSubjects(Asks[SubjectsInForce]):
    """Take in what has changed of leases, exemptions and pauses: read their journal up to a position."""

    position: Position


@dataclass(frozen=True, slots=True)
class CountersBegun:
    """Counts go to another file; the one before is nobody's, and may be removed once it was read."""


@dataclass(frozen=True, slots=True)
class BeginCounters(Asks[CountersBegun]):
    """Count in a new file from now on, whose keys name only those who ask from now on."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """The number of cached answers that were forgotten."""

    answers: int


@dataclass(frozen=True, slots=True)
class Flush(Asks[Flushed]):
    """Forget the cached answers for a name, with `below` also those for names under it; None: all."""

    name: str | None
    below: bool


# From the supervisor: orders


@dataclass(frozen=True, slots=True)
class UseUpstreams:
    """Ask other upstreams, in which alone the settings differ."""

    settings: WorkerSettings


@dataclass(frozen=True, slots=True)
class UsePseudonyms:
    """Record clients by the secrets of these periods."""

    periods: tuple[PseudonymPeriod, ...]


@dataclass(frozen=True, slots=True)
class RenewCertificate:
    """Read the certificate again."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A question for a sign of life."""


@dataclass(frozen=True, slots=True)
class TellCounts:
    """Tell the counters, for the log."""


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Finish what is in flight, and end."""


# From the worker


@dataclass(frozen=True, slots=True)
class Listening:
    """The worker can be told what to begin with."""


@dataclass(frozen=True, slots=True)
class UpstreamHealth:
    """Health of one upstream server, as a worker finds it."""

    name: str
    healthy: bool
    latency_seconds: float | None
    trouble: str | None
    answers: int  # good ones
    errors: int  # answers of an error


@dataclass(frozen=True, slots=True)
class WorkerAlive:
    """The answer to a `Ping`: cache and upstreams, and the names whose answers lost private addresses lately."""

    cache_bytes: int
    upstreams: tuple[UpstreamHealth, ...]
    stripped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateUnusable:
    """The certificate cannot be used; `is_served`: the old one goes on."""

    why: str
    is_served: bool


@dataclass(frozen=True, slots=True)
class CertificateFound:
    """A certificate that was waited for is there: DoT and DoH are served."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters since the worker's start, for the log."""

    counts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The wall clock was set, by so many seconds; `wall` and `boot` are the time on both clocks when it was seen."""

    by_seconds: float
    wall: float
    boot: float


@dataclass(frozen=True, slots=True)
class CountsHaveNoFile:
    """The disk takes no counter file: counts are kept in memory until it does."""

    why: str


@dataclass(frozen=True, slots=True)
class WorkerTrouble:
    """An error that nobody expected."""

    what: str
    error: str


WORKER_CHANNEL: Final = MessageSet(
    "worker",
    1,
    *(UseUpstreams, UsePseudonyms, RenewCertificate, Ping, TellCounts, StopWorker),
    *(Listening, WorkerAlive, PolicyInForce, SubjectsInForce, CountersBegun, Flushed),
    *(CertificateUnusable, CertificateFound, Counts, ClockSet, CountsHaveNoFile, WorkerTrouble),
    patience_seconds={
        Serve: START_SECONDS,
        UsePolicy: CHANGE_SECONDS,
        UseSubjects: CHANGE_SECONDS,
        BeginCounters: CHANGE_SECONDS,
        Flush: CHANGE_SECONDS,
    },
)
