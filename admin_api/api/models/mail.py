"""Models of mail."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Told


class MailState(Told):
    """How mail is; all but `server` are empty where there is none."""

    server: str | None = Field(default=None, description="The mail server; null where mail is not set up.")
    sender: str | None = Field(default=None, alias="from")
    to: list[str] = Field(default=[], description="Those who look after the node.")
    events: list[str] = Field(default=[])
    waiting: int = Field(default=0, description="Messages that are not mailed yet.")
    free: int = Field(default=0, description="Mails that may still be sent within this hour.")
    last_success_at: AwareDatetime | None = None
    last_error: str | None = Field(default=None, description="What went wrong at last; null since a mail arrived.")
    failing: bool = Field(default=False, description="Whether mails wait that could not be sent, and none was since.")


class MailTested(Told):
    """Whether a test is on its way: 1, or 0 where mail is not set up."""

    mails: int
