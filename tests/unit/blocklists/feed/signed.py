"""Fed catalogues for tests: small, signed, and different by what a test says."""

from __future__ import annotations

import datetime
import json
from typing import Any

from blocklists.feed.minisign import SecretKey, Signature

KEY = SecretKey.generate()
OTHER_KEY = SecretKey.generate()
NOW = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.UTC)


def entry(rule: str, service: str = "chat", **more: Any) -> dict[str, Any]:
    """One entry of a data file."""
    return {"rule": rule, "service": service, "surface": "web", "source": "s", "seen": "2026-11-20", **more}


def vendor(name: str, *domains: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A data file with the services `chat` and `code`."""
    services = {key: {"name": key, "description": "talks"} for key in ("chat", "code")}
    return {"vendor": name, "name": name.title(), "services": services, "domains": list(domains), **more}


def fed(*domains: dict[str, Any], **different: Any) -> bytes:
    """The file of a feed that has the vendor `newco`."""
    plain = {
        "format": 1,
        "series": "acme",
        "version": 7,
        "expires": "2027-01-01T00:00:00Z",
        "files": {"vendors/newco.yaml": vendor("newco", *(domains or [entry("newco.example")]))},
        **different,
    }
    return json.dumps({key: value for key, value in plain.items() if value is not None}).encode()


def signature(content: bytes, key: SecretKey = KEY) -> bytes:
    """Its signature."""
    return Signature.make(content, key, "for tests").text.encode()
