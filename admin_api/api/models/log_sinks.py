"""Models of log sinks."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Items, Told


class LogSinkItem(Told):
    """A log sink; its address without what may be secret in it."""

    to: str
    what: list[str]
    format: str
    sent: int = Field(description="Rows that it has taken since the control process began.")
    dropped: dict[str, int] = Field(
        description="Rows that it will not get: late, refused, damaged, or removed by the query log's bounds."
    )
    behind_seconds: float = Field(description="Age of the oldest row that waits; 0 where none does.")
    last_success_at: AwareDatetime | None
    trouble: str | None = Field(description="Why it takes nothing now; null while it does.")
    last_error: str | None = Field(description="The same, with the sink's own words.")


class LogSinks(Items[LogSinkItem]):
    """All log sinks of the config, audit.syslog among them."""
