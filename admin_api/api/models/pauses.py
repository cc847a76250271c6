"""Models of pauses."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Items, Sent, Told
from resolver.config.fields import Moment


class PauseBody(Sent):
    """A pause to be. One of `duration_seconds` and `expires_at` is required."""

    group: str | None = Field(None, description="Default: every group.")
    reason: str
    duration_seconds: int | None = None
    expires_at: Moment | None = None


class PauseItem(Told):
    """A pause; `group` null is every group."""

    id: str
    group: str | None
    reason: str
    set_by: str
    created_at: AwareDatetime
    expires_at: AwareDatetime


class Pauses(Items[PauseItem]):
    """All pauses."""
