"""The section about the catalogue: how a new version is taken, and the feed of versions between releases."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, model_validator

from resolver.config import fields
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.subscription import literal_address, read_url
from resolver.config.wording import shown
from resolver.errors import RuleError
from resolver.wire.address_kinds import is_public

_KEY_OCTETS: Final = 42  # "Ed", the key's id, the key
_KEY = re.compile(r"[A-Za-z0-9+/]{56}\Z")
_MOST_KEYS = 2
_FILE = "file://"


def read_public_key(text: str) -> str:
    """A public key of minisign: its line of base64. Raises RuleError."""
    written = text.strip()
    octets = b""
    if _KEY.match(written):
        try:
            octets = base64.b64decode(written, validate=True)
        except binascii.Error:
            octets = b""
    if len(octets) != _KEY_OCTETS or not octets.startswith(b"Ed"):
        raise RuleError(f"{shown(text)} is not a public key: it is the last line of a .pub file, and begins with RW")
    return written


def read_feed(text: str) -> str:
    """The URL of a feed, or the absolute path of a file. Raises RuleError."""
    written = text.strip()
    if written.startswith(_FILE):
        parts = urlsplit(written)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise RuleError(f"{shown(text)} is not the URL of a file here: write it as in 'file:///srv/catalogue.json'")
        written = unquote(parts.path)
    if written.startswith("/"):
        if not written.isprintable() or not PurePosixPath(written).name or written.endswith("/"):
            raise RuleError(f"{shown(text)} is not the path of a file")
        return written
    if "://" not in written:
        raise RuleError(
            f"{shown(text)} is neither a URL nor an absolute path: write 'https://…' or '/srv/catalogue.json'"
        )
    return read_url(written)


def _of_word(value: Any) -> Any:
    """A plain word is the mode, as it was before there were feeds."""
    return {"mode": value} if isinstance(value, str) else value


class CatalogueSection(Section):
    """The catalogue's versions. A plain word, `auto` or `review`, is the mode alone."""

    mode: Annotated[Literal["auto", "review"], fields.one_of("auto", "review")] = "auto"
    """A new version's catalogue, and one from the feed: 'auto' takes it, 'review' waits for 'moatdns catalogue
    accept'."""
    feed: Annotated[str, fields.reading(read_feed)] | None = None
    """The address, http or https, of signed catalogues between releases; or a file (an absolute path, file:///…). The
    signature has the same address with .minisig behind it."""
    keys: Annotated[tuple[str, ...], Field(max_length=_MOST_KEYS), fields.read_each(read_public_key)] = ()
    """Public keys of minisign that the feed may be signed with: one, or two while one follows the other."""
    refresh_seconds: Annotated[int, Field(ge=60, le=90 * 86400), NUMBER] = 21600
    """Time between two looks at the feed, in seconds. A file is looked at every ten seconds."""
    max_mib: Annotated[int, Field(ge=1, le=64), NUMBER] = 8
    """Size limit of the feed's catalogue, in MiB."""
    allow_private: Switch = False
    """Let the feed's URL lead to private and local addresses, also by redirect and DNS."""

    @model_validator(mode="after")
    def _feed_has_keys(self) -> CatalogueSection:
        if self.feed is None:
            if self.keys:
                fields.raise_mistakes([fields.mistake("are for a feed: set policy.catalogue.feed", None, "keys")])
            return self
        if not self.keys:
            why = "is missing: a feed is taken by its signature alone; put in its publisher's public key"
            fields.raise_mistakes([fields.mistake(why, None, "keys")])
        address = None if self.feed.startswith("/") else literal_address(urlsplit(self.feed).hostname or "")
        if address is not None and not self.allow_private and not is_public(address):
            why = f"leads to {address}, which is private or local: set allow_private: true if this is intended"
            fields.raise_mistakes([fields.mistake(why, self.feed, "feed")])
        return self


CatalogueField = Annotated[
    CatalogueSection,
    BeforeValidator(_of_word, json_schema_input_type=Literal["auto", "review"] | CatalogueSection),
]
