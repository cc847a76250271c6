"""Models of statistics: counts of a window, rankings, series."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import CLIENT_HOST, Items, Looking, Told, Window, WindowReply


class TopQuery(Window, Looking):
    """Parameters of the ranking by hits."""

    by: Literal["service", "vendor", "list", "domain", "group", "client", "exemption", "identity"]
    limit: int = Field(100, ge=1, le=1000)


class SeriesQuery(Window):
    """Counts over time."""

    step_seconds: int = Field(3600, ge=60, le=86400 * 31, multiple_of=60)


class Summary(WindowReply):
    """Counts of a window; `clients` is null where they are hidden, and within 1.6 % above 4,096."""

    queries: int
    blocked: int
    cached: int
    forwarded: int
    failed: int
    refused: int
    monitored: int
    exempted: int
    clients: int | None


class TopItem(Told):
    """One key and its hits."""

    key: str
    rest: bool = Field(description="The sum of all that are not counted apart, whose key is `other`.")
    client_host: str | None = Field(None, description=CLIENT_HOST)
    blocked: int
    monitored: int
    exempted: int


class Top(Items[TopItem]):
    """Names, services or clients with the most hits."""


class SeriesItem(Told):
    """One step."""

    at: AwareDatetime
    queries: int
    blocked: int
    monitored: int
    exempted: int


class Series(Items[SeriesItem]):
    """Counts over time."""
