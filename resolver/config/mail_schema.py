"""The section of the configuration about mail: for the few events that a person must see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.addresses import says_loopback
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.wording import shown
from resolver.errors import RuleError

_PORTS: Final = {"smtp": 587, "smtps": 465}
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_LONGEST_LOCAL_PART = 64  # RFC 5321 section 4.5.3.1
_LONGEST_ADDRESS = 254
_LONGEST_SECRET = 1000
_MOST_TO = 20


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server: host and port, and whether TLS begins with the connection."""

    host: str
    port: int
    is_tls: bool

    @property
    def is_loopback(self) -> bool:
        """Whether it says itself that it is on this machine."""
        return says_loopback(self.host)


def parse_mail_server(text: str) -> MailServer:
    """The server of ``smtp://HOST[:587]`` or ``smtps://HOST[:465]``. Raises RuleError."""
    how = "write it as in 'smtp://mail.corp.example:587' (STARTTLS) or 'smtps://mail.corp.example:465'"
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RuleError(f"{shown(text)} is not a mail server: {how}") from None
    if "@" in parts.netloc:
        raise RuleError("holds a user or a password: put them into mail.user and mail.password")
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.query or parts.fragment or port == 0:
        raise RuleError(f"{shown(text)} is not a mail server: {how}")
    return MailServer(fields.read_host_name(host), port or _PORTS[parts.scheme], parts.scheme == "smtps")


def _read_mail_server(text: str) -> str:
    parse_mail_server(text)
    return text.strip()


def read_mail_address(text: str) -> str:
    """A mail address, in ASCII, without a name beside it; its domain in lower case. Raises RuleError."""
    written = text.strip()
    local, _, domain = written.rpartition("@")
    if len(written) > _LONGEST_ADDRESS or len(local) > _LONGEST_LOCAL_PART or not _LOCAL_PART.match(local):
        raise RuleError(f"{shown(text)} is not a mail address: write it as in 'dns@corp.example', without a name")
    return f"{local}@{_read_mail_domain(domain)}"


def _read_mail_domain(text: str) -> str:
    name = fields.read_host_name(text)
    if "." not in name or name.replace(".", "").isdigit() or ":" in name:
        raise RuleError(f"{shown(text)} is not the domain of mail addresses: write it as in 'corp.example'")
    return name


class MailSection(Section):
    """Mail for the few events that a person must see."""

    server: Annotated[str, fields.reading(_read_mail_server)] | None = None
    """The mail server: 'smtp://HOST[:587]', which has to offer STARTTLS, or 'smtps://HOST[:465]'; null: no mail."""
    sender: Annotated[str, fields.reading(read_mail_address)] | None = Field(default=None, alias="from")
    """The address that mails come from."""
    to: Annotated[tuple[str, ...], Field(max_length=_MOST_TO), fields.read_each(read_mail_address)] = ()
    """Addresses of those who look after moatdns: requests, ends, failures and the weekly summary go there."""
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The user to log in as at the server; null: without."""
    password: Annotated[str, Field(min_length=1, max_length=_LONGEST_SECRET)] | None = None
    """That user's password, as 'file:PATH' or '${VAR}'."""
    starttls: Switch | None = None
    """With 'smtp://': begin TLS before anything is said, and send nothing where that fails. Left out: true, but to this
    machine itself. false: everything is sent unencrypted."""
    ca_file: fields.File | None = None
    """PEM file with the CAs that the server's certificate must come from; left out: the system's."""
    domains: Annotated[fields.Texts, fields.read_each(_read_mail_domain)] = ()
    """Domains whose people are written to, where an owner is an address; left out: that of `from`."""
    most_per_hour: Annotated[int, Field(ge=2, le=1000), NUMBER] = 30
    """Mails in an hour, at most; what is beyond waits, and comes as one digest. A fifth, and at least one, is kept for
    what is said of the node itself."""
    weekly: Switch = True
    """Send a summary each Monday at seven, by the machine's time zone."""

    @model_validator(mode="after")
    def _is_whole(self) -> MailSection:
        fields.raise_mistakes([fields.mistake(why, None, key) for key, why in self._lacks()])
        return self

    def _lacks(self) -> Iterator[tuple[str, str]]:
        if self.server is None:
            return
        server = parse_mail_server(self.server)
        if self.sender is None:
            yield "from", "is missing: mails come from an address, as in 'moatdns@corp.example'"
        if not self.to:
            yield "to", "is empty: name those who are to be told"
        if (self.user is None) != (self.password is None):
            yield ("password" if self.password is None else "user"), "is missing: a login has a user and a password"
        if server.is_tls and self.starttls is False:
            yield "starttls", "is for 'smtp://': 'smtps://' is always encrypted"
        if self.password is not None and not (server.is_tls or server.is_loopback or self.begins_tls):
            yield "password", "would be sent unencrypted: set starttls: true, or use 'smtps://'"

    @property
    def begins_tls(self) -> bool:
        """Whether TLS begins by STARTTLS."""
        if self.server is None:
            return False
        server = parse_mail_server(self.server)
        return not server.is_tls and (not server.is_loopback if self.starttls is None else self.starttls)

    @property
    def domains_written_to(self) -> tuple[str, ...]:
        """Domains whose people are written to."""
        return self.domains or ((self.sender.rpartition("@")[2],) if self.sender is not None else ())
