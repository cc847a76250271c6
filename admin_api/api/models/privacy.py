"""Models of what is stored about people."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Told


class StoredKind(Told):
    """A kind of data about people or clients."""

    name: str
    holds: str = Field(description="What of people is in it, by the settings as they are.")
    where: str = Field(description="Table of the store, or files below state_dir.")
    kept: str = Field(description="For how long, and by which setting.")
    entries: int | None = Field(description="Rows in the store; null where it is files alone.")
    octets: int | None = Field(description="Octets of its files; null where it is in the store alone.")
    since: AwareDatetime | None = Field(description="Time of the oldest, where times are kept.")
    seen_by: str = Field(description="Roles by which the API shows it.")
    settings: list[str] = Field(description="Keys of the config that change it.")


class Receiver(Told):
    """Somebody else who is told of people or queries."""

    name: str = Field(description="As in the config: log_sinks, webhooks, mail, upstream.")
    to: str
    gets: str


class PrivacyReply(Told):
    """What this installation stores of people, and where it goes."""

    recorded: dict[str, str | int] = Field(description="The settings of what is recorded of clients, as in the config.")
    store: str = Field(description="Where the store is.")
    kinds: list[StoredKind]
    receivers: list[Receiver]
    not_stored: list[str] = Field(description="What is in memory alone, in finished sentences.")
