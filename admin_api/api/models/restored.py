"""Models of what a restore suspended."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Sent, Told


class RestoredOpening(Told):
    """A group or a list of a restored policy that opens something, if an admin confirms it."""

    object: str = Field(description="As in groups/lab and lists/house.")
    opens: list[str] = Field(description="What it opens, in phrases that follow its name.")
    closed: bool = Field(description="Whether the restore has closed it; else it is open as it was.")


class Restored(Told):
    """Things that came out of a backup, and wait for an admin. Times are null where nothing waits."""

    restored_at: AwareDatetime | None = None
    backup_at: AwareDatetime | None = None
    tokens: list[str] = Field(description="Names of suspended tokens.")
    exemptions: list[str] = Field(description="Ids of suspended exemptions.")
    policy: list[RestoredOpening] = Field(description="Openings by the policy.")


class ConfirmBody(Sent):
    """Suspended things that still hold."""

    tokens: list[str] = Field([], max_length=1000)
    exemptions: list[str] = Field([], max_length=20_000)
    policy: list[str] = Field([], max_length=3000, description="Openings by the policy, as in groups/lab.")
    leave_closed: list[str] = Field(
        [], max_length=3000, description="Openings by the policy that wait no longer, and stay as they are."
    )
    all: bool = Field(False, description="All that is suspended; then name none.")


class Confirmed(Told):
    """Suspended things that count again. An exemption whose time was over is not among them."""

    tokens: list[str]
    exemptions: list[str]
    policy: list[str] = Field(description="Openings by the policy that are open again.")
    left: list[str] = Field(description="Openings by the policy that wait no longer, and stay as they are.")
