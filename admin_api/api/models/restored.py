"""Models of what a restore suspended."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.api.models.common import Sent


class Restored(BaseModel):
    """Tokens and exemptions that came out of a backup, and wait for an admin. Times are null where nothing waits."""

    restored_at: AwareDatetime | None = None
    backup_at: AwareDatetime | None = None
    tokens: list[str] = Field(description="Names of suspended tokens.")
    exemptions: list[str] = Field(description="Ids of suspended exemptions.")


class ConfirmBody(Sent):
    """Suspended things that still hold."""

    tokens: list[str] = Field([], max_length=1000)
    exemptions: list[str] = Field([], max_length=20_000)
    all: bool = Field(False, description="All that is suspended; then name none.")


class Confirmed(BaseModel):
    """Suspended things that count again. An exemption whose time was over is not among them."""

    tokens: list[str]
    exemptions: list[str]
