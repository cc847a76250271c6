"""Messages between the supervisor and the control process.

The supervisor asks it to `Begin`, and from then on anything may come. The control process has the supervisor publish
policies, use subjects and flush caches, and ends by itself when the channel closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from resolver.config.settings import ControlSettings, WorkerSettings
from resolver.listeners.sockets import Listen
from resolver.system.channel import Asks, MessageSet
from resolver.worker.messages import (
    CHANGE_SECONDS,
    BeginCounters,
    CountersBegun,
    Flush,
    Flushed,
    Ping,
    PolicyInForce,
    RenewCertificate,
    SubjectsInForce,
    UpstreamHealth,
    UsePolicy,
    UseSubjects,
    WorkerAlive,
)

ALL_WORKERS_SECONDS: Final = 2 * CHANGE_SECONDS
"""For all workers to take in a change; one that will not is replaced meanwhile."""

FilePolicy = dict[str, Any]
"""A config's policy as resolver.config.file_policy has it: JSON, as the store takes it."""


# From the supervisor


@dataclass(frozen=True, slots=True)
class ControlDescriptors:
    """File descriptors that the control process inherits: the listening sockets, and where query events come."""

    admin: int | None
    block_page: tuple[int, ...]
    events: int

    @property
    def every(self) -> tuple[int, ...]:
        """All of them."""
        return (self.events, *self.block_page, *(() if self.admin is None else (self.admin,)))


@dataclass(frozen=True, slots=True)
class ConfigReading:
    """The config as it was read last, for the audit trail."""

    began: float  # when this node started, in seconds since 1970
    number: int  # of the readings since then
    told: Mapping[str, tuple[str, str]]  # resolver.config.telling
    source: str
    privacy: Mapping[str, str] = field(default_factory=dict)  # settings in force (resolver.config.privacy)
    held: Mapping[str, str] = field(default_factory=dict)  # wider ones that it asks for


@dataclass(frozen=True, slots=True)
class UseConfigPolicy:
    """Store a config's policy and put it in force; told of by `ConfigInForce`, `ConfigWaits` or `ConfigRefused`."""

    policy: FilePolicy
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin to work."""

    settings: ControlSettings
    worker_settings: WorkerSettings
    serving: tuple[Listen, ...]  # the addresses of DNS
    config: UseConfigPolicy
    manifest: Path | None  # of the policy that workers start with
    began: float  # when this node started, in seconds since 1970
    reading: ConfigReading
    sockets: ControlDescriptors
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoteReading:
    """Write into the audit trail what the config says by now."""

    reading: ConfigReading


@dataclass(frozen=True, slots=True)
class NoteTroubles:
    """Troubles of this machine, in finished sentences, for /ready."""

    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recompile:
    """Compile the policy anew: its files are gone."""


@dataclass(frozen=True, slots=True)
class StopControl:
    """Finish requests, write down what was counted, and end; `for_good`: none follows."""

    for_good: bool


# From the control process, beside UsePolicy, UseSubjects, BeginCounters and Flush, which are for all workers


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker that serves; `health` is None until it has told any."""

    slot: int
    pid: int
    revision: int
    uptime_seconds: float
    health: WorkerAlive | None

    @property
    def upstreams(self) -> tuple[UpstreamHealth, ...]:
        """The upstreams as it finds them, as far as it has told."""
        return self.health.upstreams if self.health else ()


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """All workers that serve, and how many should."""

    workers: tuple[WorkerStatus, ...] = ()
    slots: int = 0


@dataclass(frozen=True, slots=True)
class AskStatus(Asks[NodeStatus]):
    """A question for the workers' state."""


@dataclass(frozen=True, slots=True)
class ControlAlive:
    """The answer to a `Ping`."""


class StoreState(Enum):
    """How far a control process is with the store."""

    STARTS = "starts"  # and has said nothing yet
    OPENS = "opens"
    WAITS = "waits"  # for another node's lock to be over
    TOLD = "told"  # whether it has it


@dataclass(frozen=True, slots=True)
class StoreTold:
    """The store's state; `held`: by whom, where another node serves it."""

    state: StoreState
    held: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigInForce:
    """The config's policy is in force."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class ConfigWaits:
    """The config's policy is not in force yet."""

    fingerprint: str
    why: str


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """The store holds what contradicts the config's policy."""

    fingerprint: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReloadConfig:
    """A wish that the config is read anew."""


CONTROL_CHANNEL: Final = MessageSet(
    "control",
    1,
    *(Begin, UseConfigPolicy, NoteReading, NoteTroubles, Recompile, RenewCertificate, Ping, StopControl),
    *(ControlAlive, StoreTold, ConfigInForce, ConfigWaits, ConfigRefused, ReloadConfig),
    *(PolicyInForce, SubjectsInForce, CountersBegun, Flushed, NodeStatus),
    patience_seconds={
        UsePolicy: ALL_WORKERS_SECONDS,
        UseSubjects: ALL_WORKERS_SECONDS,
        BeginCounters: ALL_WORKERS_SECONDS,
        Flush: ALL_WORKERS_SECONDS,
        AskStatus: ALL_WORKERS_SECONDS,
    },
)
