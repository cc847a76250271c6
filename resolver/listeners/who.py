"""Who asks on a connection: by the name that a client tells, and by what trusted proxies tell of addresses."""

from __future__ import annotations

import re

from resolver.clients import Client
from resolver.pipeline import Pipeline

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


def client_of(pipeline: Pipeline, address: str, name: str) -> Client:
    """The client at an address, or the one that has told its name, in lower case; "" for none."""
    return pipeline.client(address)


def name_below(server_name: str, own: str) -> str:
    """The one label by which a server name is below our own: ``laptop`` of ``laptop.dns.example.com``; "" for none."""
    label, _, parent = server_name.lower().rstrip(".").partition(".")
    return label if own and parent == own and _LABEL.match(label) else ""


def is_client_name(label: str) -> bool:
    """Whether a label, in lower case, can be a client's name."""
    return _LABEL.match(label) is not None
