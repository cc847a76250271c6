"""Models of a decision: a name, asked for by a client, and the verdict with its trace."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from admin_api.api.models.common import LONGEST_NAME, Sent

Steps = list[dict[str, str]]
"""Steps of a decision, each with step, outcome and detail."""


class ExplainQuery(Sent):
    """A name, asked for by a client."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    client: str = Field("127.0.0.1", max_length=100)
    client_name: str = Field("", max_length=63, description="The client's name over DoT or DoH.")
    type: str = Field("A", min_length=1, max_length=20)


class Explained(BaseModel):
    """Explanation of a query: its outcome, and why."""

    name: str
    type: str
    client: str
    group: dict[str, str | None]
    verdict: Literal["allow", "block", "monitor", "exempt", "refused"]
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    response: dict[str, object] | None
    trace: Steps = Field(description="step, outcome, detail")
    revision: int
