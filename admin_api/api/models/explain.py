"""Models of a decision: a name, asked for by a client, and the verdict with its trace."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import CLIENT_HOST, LONGEST_NAME, Sent, Told
from resolver.config.fields import Moment
from resolver.policy.proved_names import MOST_OCTETS, PROVED

Notes = list[str]  # the model has a field that is called list
Steps = list[dict[str, str]]
"""Steps of a decision, each with step, outcome and detail."""


class ExplainQuery(Sent):
    """A name, asked for by a client."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    client: str = Field("127.0.0.1", max_length=100)
    client_name: str = Field(
        "",
        max_length=len(PROVED) + MOST_OCTETS,
        description="The client's name over DoT or DoH, `proved:` and a name in its certificate, or `mac:` and octets.",
    )
    type: str = Field("A", min_length=1, max_length=20)
    at: Moment | None = Field(None, description="By the policy of that moment; default: now.")


class Explained(Told):
    """Explanation of a query: its outcome, and why."""

    name: str
    type: str
    client: str
    identity: str | None = Field(None, description="Whose the client is, by its certificate or lease; null: nobody's.")
    client_host: str | None = Field(None, description=CLIENT_HOST)
    group: dict[str, str | None]
    verdict: Literal["allow", "block", "monitor", "exempt", "refused"]
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    response: dict[str, object] | None
    trace: Steps = Field(description="step, outcome, detail")
    revision: int
    at: AwareDatetime | None = Field(None, description="The moment that was asked for; null: now.")
    notes: Notes = Field([], description="What is not of that moment, or not known of it.")
