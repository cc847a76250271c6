"""Models of the node: status, health, and the flushing of the workers' caches."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from admin_api.api.models.common import LONGEST_NAME, JsonObject, Sent


class Status(BaseModel):
    """How the node is."""

    version: str
    uptime_seconds: float
    workers: list[JsonObject]
    policy: JsonObject = Field(description="revision, snapshot, in_force_since, age_seconds, trouble")
    subjects: JsonObject = Field(description="How many leases, exemptions and pauses are in force; trouble")
    store: JsonObject
    audit: JsonObject = Field(description="Noted heads of the audit trail; rows of those that are gone; trouble")
    upstreams: list[JsonObject]
    upstream_troubles: list[str] = Field([], description="Which upstreams do not answer, and why.")
    stripped: list[str] = Field(
        [], description="Names whose private addresses were left out lately (upstream.private_names opens them)."
    )
    lists: list[JsonObject]
    dropped: dict[str, int] = Field(description="What was dropped, by the bound that it was beyond; see limits.")


class Health(BaseModel):
    """Alive."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether a policy is served, and why it may not be the newest."""

    status: Literal["ready", "degraded", "not ready"]
    why: list[str]


class FlushBody(Sent):
    """Cached answers to forget."""

    name: str | None = Field(None, min_length=1, max_length=LONGEST_NAME, description="Left out: all of them.")
    below: bool = Field(True, strict=True, description="Those of all names below it, too.")


class Flushed(BaseModel):
    """How many cached answers were forgotten, over all workers."""

    forgotten: int
