"""Models of the config's privacy settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from admin_api.api.models.common import Sent, Told
from resolver.config.fields import read_one_line, reading

_Settings = Annotated[dict[str, str], Field(min_length=1, max_length=100)]


class PrivacySettings(Told):
    """Privacy settings by key path of the config, as texts."""

    in_force: dict[str, str]
    waits: dict[str, str] = Field(description="Wider ones that the config asks for, until two owners agree.")


class WidenBody(Sent):
    """Wider settings to agree to: just those that wait."""

    settings: _Settings = Field(examples=[{"query_log.identities": "full"}])
    reason: Annotated[str, reading(read_one_line)] = Field(min_length=1, max_length=1000)
