"""States of groups and lists as JSON has them: in the audit trail, in revisions and in the config file's policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict


class ResponseState(TypedDict):
    """How blocked names are answered."""

    mode: str
    ttl_seconds: int
    ipv4: str | None
    ipv6: str | None


class GroupState(TypedDict):
    """A group as an admin may write it. `block` None: what the group `default` blocks. `monitor_until` is ISO 8601."""

    name: str
    description: str
    networks: list[str]
    exempt: bool
    mode: str
    block: list[str] | None
    monitor: list[str]
    monitor_until: str | None
    allow: list[str]
    response: ResponseState | None
    schedule: dict[str, object] | None
    client_names: list[str]


UNWATCHED: Final[Mapping[str, object]] = {"monitor": [], "monitor_until": None}
"""Fields of a group that watches nothing: states that an earlier version wrote have none."""


class ListSettings(TypedDict, total=False):
    """Settings of a list that is fetched, as far as they are said."""

    url: str | None
    format: str | None
    refresh_seconds: int | None
    allow_private: bool
    sha256: str | None


class NewListSettings(ListSettings, total=False):
    """Settings of a new list besides its name and kind; `content` and counts are those of a content file."""

    enabled: bool
    content: str | None
    rules: int
    patterns: int
    regexes: int


class ListCopy(TypedDict, total=False):
    """The source of the copy of a list that is there."""

    url: str | None
    format: str | None
    sha256: str | None
    reader: int
    etag: str | None
    last_modified: str | None


class KeptFilePolicy(TypedDict, total=False):
    """The document of the config file's policy, besides its lists and groups."""

    fingerprint: str
    own_vendors: list[str]
    response: ResponseState
    source: str | None
