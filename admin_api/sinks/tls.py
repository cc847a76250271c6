"""TLS to a sink: its certificate is verified against the CAs, and must be for its name."""

from __future__ import annotations

import ssl
from pathlib import Path

from resolver.config.certificates import load_authorities, load_pair
from resolver.config.settings import LogSinkSettings


def client_context(settings: LogSinkSettings, section: str) -> ssl.SSLContext:
    """The context of a connection, with files read anew. Raises ListenError that says what is wrong with which."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_authorities(context, settings.ca, f"{section}.ca")
    if settings.certificate and settings.private_key:
        load_pair(context, Path(settings.certificate), Path(settings.private_key), section)
    return context
