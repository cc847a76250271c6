"""Models of webhooks."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, Field


class WebhookItem(BaseModel):
    """A webhook; its URL without what may be secret in it."""

    url: str
    events: list[str]
    waiting: int = Field(description="Messages that it has not taken yet.")
    last_success_at: AwareDatetime | None
    last_error: str | None


class Webhooks(BaseModel):
    """All webhooks of the config."""

    items: list[WebhookItem]


class WebhooksTested(BaseModel):
    """To how many hooks a test is on its way."""

    hooks: int
