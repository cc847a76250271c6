"""The section of the configuration for the inbox of unlisted names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section


class UnlistedSection(Section):
    """The inbox of domains that look like an AI service and match no rule."""

    enabled: Switch = False
    """Look for such domains among forwarded queries."""
    clients: Annotated[int, Field(ge=1, le=1000), NUMBER] = 3
    """Clients of one day from which on a domain is stored and shown; what fewer ask for is forgotten."""
    least_score: Annotated[int, Field(ge=1, le=100), NUMBER] = 20
    """Points of evidence from which on a domain is stored and shown."""
    most_names: Annotated[int, Field(ge=100, le=200_000), NUMBER] = 20_000
    """Domains that are watched in memory at once."""
    most_kept: Annotated[int, Field(ge=10, le=100_000), NUMBER] = 2_000
    """Domains that are kept in the store; beyond, the new ones with the least evidence go."""
