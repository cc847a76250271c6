"""Models of webhooks."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Items, Told


class WebhookItem(Told):
    """A webhook; its URL without what may be secret in it."""

    url: str
    events: list[str]
    waiting: int = Field(description="Messages that it has not accepted yet.")
    last_success_at: AwareDatetime | None
    last_error: str | None = Field(description="What went wrong at last; null since a message arrived.")
    failing: bool = Field(description="Whether messages wait that it did not accept, and it accepted none since.")


class Webhooks(Items[WebhookItem]):
    """All webhooks of the config."""


class WebhooksTested(Told):
    """To how many hooks a test is on its way."""

    hooks: int
