"""Models of the node: status, health, and the flushing of the workers' caches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from admin_api.api.models.common import LONGEST_NAME, JsonObject, Sent, Told


class Status(Told):
    """The state of the node."""

    version: str
    uptime_seconds: float
    workers: list[JsonObject]
    policy: JsonObject = Field(description="revision, snapshot, in_force_since, age_seconds, trouble")
    subjects: JsonObject = Field(description="How many leases, exemptions and pauses are in force; trouble")
    store: JsonObject
    audit: JsonObject = Field(description="Recorded heads of the audit trail; rows of lost ones; trouble")
    catalogue: JsonObject = Field(description="Numbers of the bundled and the fed catalogue; waits; troubles")
    upstreams: list[JsonObject]
    upstream_troubles: list[str] = Field([], description="Which upstreams do not answer, and why.")
    stripped: list[str] = Field(
        [], description="Names whose private addresses were removed recently (upstream.private_names permits them)."
    )
    lists: list[JsonObject]
    dropped: dict[str, int] = Field(description="Counts of drops by bound; see limits.")


class Health(Told):
    """Alive."""

    status: Literal["ok"]


class Ready(Told):
    """Whether a policy is served, and why it may not be the newest."""

    status: Literal["ready", "degraded", "not ready"]
    why: list[str]


class FlushBody(Sent):
    """Cached answers to forget."""

    name: str | None = Field(None, min_length=1, max_length=LONGEST_NAME, description="Default: all names.")
    below: bool = Field(True, strict=True, description="Also those of all names below it.")


class Flushed(Told):
    """How many cached answers were forgotten, over all workers."""

    forgotten: int
