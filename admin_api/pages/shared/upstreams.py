"""Upstreams as pages show them: how each worker finds each."""

from __future__ import annotations

from dataclasses import dataclass, field

from admin_api.api import models


@dataclass(frozen=True, slots=True)
class UpstreamInWorker:
    """An upstream as one worker finds it."""

    pid: int  # of the worker
    healthy: bool
    ms: float | None  # its latency


@dataclass(slots=True)
class UpstreamByWorker:
    """An upstream as each worker finds it."""

    name: str
    workers: list[UpstreamInWorker] = field(default_factory=list)
    trouble: str | None = None

    @property
    def healthy(self) -> int:
        """In how many workers it is healthy."""
        return sum(worker.healthy for worker in self.workers)

    @property
    def latency_ms(self) -> float:
        """Its latency in the slowest worker."""
        return max(worker.ms or 0.0 for worker in self.workers)


def upstreams_of(status: models.Status) -> list[UpstreamByWorker]:
    """Each of the upstreams, by name."""
    found: dict[str, UpstreamByWorker] = {}
    for each in status.upstreams:
        known = found.setdefault(each["name"], UpstreamByWorker(each["name"]))
        latency = each["latency_seconds"]
        ms = latency * 1000 if latency else None
        known.workers.append(UpstreamInWorker(each["worker"], bool(each["healthy"]), ms))
        known.trouble = known.trouble or each["trouble"]
    return list(found.values())
