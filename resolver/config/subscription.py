"""Settings of a list that is fetched, as the config file and the API have them."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.wording import shown
from resolver.errors import RuleError
from resolver.wire.address_kinds import is_public

FORMATS: Final = ("auto", "domains", "hosts", "adblock", "dnsmasq", "unbound", "rpz")
DEFAULT_REFRESH_SECONDS: Final = 86400
_MOST_URL = 2000
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def literal_address(host: str) -> str | None:
    """The address that a URL's host is, if it is one, also in letters that clients take for digits and dots (UTS 46).

    For a mistake to be told early. What may be connected to is judged where the socket is made.
    """
    plain = unicodedata.normalize("NFKC", host).replace("\u3002", ".").rstrip(".")
    try:
        return str(ipaddress.ip_address(plain.strip("[]").partition("%")[0]))
    except ValueError:
        return None


def read_url(text: str) -> str:
    """The URL of a list, as it was written. Raises RuleError."""
    written = text.strip()
    try:
        parts = urlsplit(written)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise RuleError(f"{shown(text)} is not a URL: write it as in 'https://lists.example/ai.txt'") from None
    if parts.scheme not in ("https", "http") or not host or len(written) > _MOST_URL or not written.isprintable():
        raise RuleError(f"{shown(text)} is not a URL of http or https: write it as in 'https://lists.example/ai.txt'")
    if parts.username is not None or parts.password is not None:
        raise RuleError("holds a user or a password, which everybody who may read lists would see: leave them out")
    if " " in written:
        raise RuleError(f"{shown(text)} holds a space: write it as %20")
    return written.partition("#")[0]


def read_base_url(text: str) -> str:
    """A URL that paths are put behind, without a slash at its end. Raises RuleError."""
    url = read_url(text)
    if "?" in url:
        raise RuleError(f"{shown(text)} holds a query: write it as in 'https://dns.corp.example'")
    return url.rstrip("/")


def _read_sha256(text: str) -> str:
    written = text.strip().lower().removeprefix("sha256:")
    if not _SHA256.match(written):
        raise RuleError(f"{shown(text)} is not a SHA-256: it has 64 digits and letters a to f")
    return written


class SubscriptionFields(Section):
    """The part of a list that says where it is fetched from."""

    url: Annotated[str, fields.reading(read_url)] | None = None
    """The address, http or https, that the list is fetched from; left out for a list of one's own."""
    format: Annotated[str, fields.one_of(*FORMATS)] = "auto"
    """The format of what is fetched; 'auto' looks at its first lines."""
    refresh_seconds: Annotated[int, Field(ge=300, le=90 * 86400), NUMBER] = DEFAULT_REFRESH_SECONDS
    """Time between two fetches, in seconds."""
    allow_private: Switch = False
    """Let the URL lead to private and local addresses, also by redirect and DNS."""
    sha256: Annotated[str, fields.reading(_read_sha256)] | None = None
    """SHA-256 that what is fetched must have, in hexadecimal; else the old copy stays."""

    @model_validator(mode="after")
    def _leads_somewhere_public(self) -> SubscriptionFields:
        if self.url is None:
            said = self.model_fields_set & {"allow_private", "sha256"}
            if said:
                name = min(said)
                fields.raise_mistakes([fields.mistake("is for lists with a url", getattr(self, name), name)])
            return self
        address = literal_address(urlsplit(self.url).hostname or "")
        if address is not None and not self.allow_private and not is_public(address):
            why = f"leads to {address}, which is private or local: set allow_private: true if this is intended"
            fields.raise_mistakes([fields.mistake(why, self.url, "url")])
        return self
