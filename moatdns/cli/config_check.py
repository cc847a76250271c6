"""Checks of `check-config` beyond the config itself: the files that it names."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from moatdns.planning import certificate_troubles
from resolver.config.certificates import check_ca_file, load_pair
from resolver.config.load import placed
from resolver.config.places import Document
from resolver.config.schema import Config
from resolver.config.to_settings import control_settings, worker_settings
from resolver.errors import ConfigError, ListenError


def look_at_files(config: Config, document: Document | None) -> list[str]:
    """Notes on the certificates that a config names. Raises ConfigError with all that cannot be used of them."""
    settings = worker_settings(config, workers=1, system_servers=[])
    admin = control_settings(config)
    notes: list[str] = []
    problems: list[str] = []

    def look(check: Callable[[], Iterable[str] | None]) -> None:
        try:
            notes.extend(check() or ())
        except ListenError as error:
            problems.append(placed(config.source, document, str(error)))

    look(lambda: check_ca_file(settings.upstream.ca_file))
    look(lambda: certificate_troubles(settings.encrypted))
    if admin.certificate and admin.private_key:
        pair = Path(admin.certificate), Path(admin.private_key)
        look(lambda: load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *pair, section="admin.tls"))
    if problems:
        raise ConfigError(problems)
    return notes
