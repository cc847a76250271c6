"""Models of the lists that firewalls fetch: names and networks that the policy in force closes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from admin_api.api.models.common import Sent


class PolicyNetworksQuery(Sent):
    """Whose policy: that of one group."""

    group: str = Field("default", min_length=1, max_length=63)


class PolicyDomainsQuery(PolicyNetworksQuery):
    """Names of one group's policy, or a part of them, and how they are written."""

    format: Literal["plain", "wildcard"] = Field(
        "plain", description="plain: a name a line, with all below it; wildcard: NAME and *.NAME."
    )
    set: str | None = Field(
        None,
        min_length=1,
        max_length=127,
        description="A set, kind, vendor, service or list. Default: all that is closed.",
    )
