"""Models of statistics and the query log."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, Field


class Summary(BaseModel):
    """Counts of a window; `clients` is null where they are hidden, and within 1.6 % above 4,096."""

    start: AwareDatetime = Field(serialization_alias="from")
    end: AwareDatetime = Field(serialization_alias="to")
    queries: int
    blocked: int
    cached: int
    forwarded: int
    failed: int
    refused: int
    monitored: int
    exempted: int
    clients: int | None


class TopItem(BaseModel):
    """One key and its hits."""

    key: str
    blocked: int
    monitored: int
    exempted: int


class Top(BaseModel):
    """What most hits are about."""

    items: list[TopItem]


class SeriesItem(BaseModel):
    """One step."""

    at: AwareDatetime
    queries: int
    blocked: int
    monitored: int
    exempted: int


class Series(BaseModel):
    """Counts over time."""

    items: list[SeriesItem]


class LogItem(BaseModel):
    """A logged query."""

    at: str
    client: str | None
    group: str | None
    name: str
    type: str | None
    rcode: str | None
    verdict: str
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    protocol: str
    duration_ms: float
    remark: str | None = Field(
        None, description="Why there is no answer, or who filtered it: the guard against rebinding, or the upstream."
    )


class Log(BaseModel):
    """A page of the query log, newest first. It may be short, or empty, and still have a `next`: its time was over."""

    items: list[LogItem]
    next: str | None = Field(description="`cursor` to go on; null when all was searched.")
    searched_to: AwareDatetime | None = Field(description="Down to when was searched; null for nothing, or for all.")
    newest: str | None = Field(description="`after` to get what comes later; null with a `cursor`.")
