"""Receivers: to whom what about queries and people leaves this node, by the config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from resolver.config.settings import ControlSettings


@dataclass(frozen=True, slots=True)
class DataReceiver:
    """A receiver, without what it is paid or trusted with: no path, no secret."""

    name: str
    to: str
    gets: str


def receivers(settings: ControlSettings) -> Iterator[DataReceiver]:
    """All of them."""
    for sink in settings.log_sinks:
        gets = " and ".join(_OF_SINKS[what] for what in sink.what)
        yield DataReceiver("log_sinks", _host(sink.to), f"{gets}; kept as long as it says")
    for hook in settings.webhooks:
        yield DataReceiver("webhooks", _host(str(hook["url"])), f"events {', '.join(hook['events'])}, by name")
    if settings.mail is not None:
        yield DataReceiver(
            "mail", f"{settings.mail.host}:{settings.mail.port}", "exemptions and requests by name, weekly figures"
        )
    if settings.oidc is not None:
        yield DataReceiver("login.oidc", _host(settings.oidc.issuer), "who signs in to the web pages, and when")
    yield DataReceiver(
        "upstream", "the servers of upstream", "names that are asked for and not answered here; of clients nothing"
    )


_OF_SINKS = {
    "queries": "the query log's rows, as they are recorded",
    "audit": "the audit trail's rows, with their personal texts",
}


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else url
