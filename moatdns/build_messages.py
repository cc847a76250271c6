"""Messages between the supervisor and the compiler (moatdns.build): read a config, plan it, compile its policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moatdns.plan import Ground, NodePlan
from resolver.system.channel import Asks, MessageSet

CONFIG_SECONDS: Final = 600.0
"""For a config of millions of rules to be read or compiled; beyond, the process is taken for hung."""


@dataclass(frozen=True, slots=True)
class ConfigProblems:
    """All mistakes of a config, as finished lines."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadConfig(Asks[Ground | ConfigProblems]):
    """Read and check a config file, None for the built-in defaults; touch nothing else."""

    path: Path | None


@dataclass(frozen=True, slots=True)
class MakePlan(Asks[NodePlan | ConfigProblems]):
    """Plan the config that was read; writes to its state directory."""


@dataclass(frozen=True, slots=True)
class PolicyCompiled:
    """A compiled policy on disk, and how long it took."""

    manifest: Path
    revision: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CompilePolicy(Asks[PolicyCompiled]):
    """Compile the policy of the plan into a folder of snapshots."""

    folder: Path


BUILD_CHANNEL: Final = MessageSet(
    "build",
    1,
    *(ConfigProblems, Ground, NodePlan, PolicyCompiled),
    patience_seconds={ReadConfig: CONFIG_SECONDS, MakePlan: CONFIG_SECONDS, CompilePolicy: CONFIG_SECONDS},
)
