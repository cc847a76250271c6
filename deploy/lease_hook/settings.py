"""The hooks' config file: KEY=VALUE lines, read and never executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from stat import S_IRWXO
from typing import Final, NamedTuple, Union
from urllib.parse import urlsplit

DEFAULT_PATH: Final = "/etc/moatdns/lease-hook.conf"
GROUP: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
LONGEST_SECONDS: Final = 7 * 86400  # moatdns's own default for the longest lease
SHORTEST_SECONDS: Final = 60
_MAX_FILE_BYTES: Final = 65_536
_MAX_TOKEN_BYTES: Final = 4096
_UNMAPPED: Final = ("none", "host-name", "mac")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_DEFAULTS: Final = {
    "URL": "",
    "TOKEN_FILE": "/etc/moatdns/lease-hook.token",
    "CA_FILE": "",
    "GROUP": "",
    "TTL_SECONDS": "3600",
    "MAP": "",
    "UNMAPPED": "none",
    "STATE_DIR": "/run/moatdns-lease-hook",
    "IGNORE": "",
    "SHARED": "",
    "DOMAINS": "",
    "REALM": "",
    "ALLOW_PLAIN_HTTP": "no",
}


Network = Union[IPv4Network, IPv6Network]  # noqa: UP007 (Python 3.9)


class HookError(Exception):
    """A fault: where it is, and how to mend it."""


class Settings(NamedTuple):
    """Settings of the config file."""

    url: str  # without a slash at the end
    token_file: Path
    ca_file: Path | None  # None: the system's authorities
    group: str | None  # None: the group that the network gives
    ttl_seconds: int
    map_file: Path | None
    unmapped: str  # which identity a device gets that the map does not name: none, host-name or mac
    state_dir: Path
    ignored: tuple[str, ...] = ()  # patterns of names that are nobody's, in lower case
    shared: tuple[Network, ...] = ()  # whose addresses several people have at once
    domains: tuple[str, ...] = ()  # of log-on events, in lower case
    realm: str = ""  # that is put behind the names of accounts

    def token(self) -> str:
        """The bearer token. Raises HookError."""
        text = read_file(self.token_file, _MAX_TOKEN_BYTES, is_secret=True).strip()
        if not re.fullmatch(r"[!-~]+", text):
            raise HookError(f"{self.token_file}: holds no token: put there what `moatdns token create` printed")
        return text


def read_settings(path: Path) -> Settings:
    """The settings of a file. Raises HookError with file and line."""
    text = read_file(path, _MAX_FILE_BYTES)
    values = dict(_DEFAULTS)
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        key, separator, value = (part.strip() for part in bare.partition("="))
        if not separator:
            raise HookError(f"{path}:{number}: is not KEY=VALUE")
        if key not in _DEFAULTS:
            raise HookError(f"{path}:{number}: {shown(key)} is no key: there are {', '.join(_DEFAULTS)}")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[key] = value
    return _checked(values, path)


def _checked(values: Mapping[str, str], path: Path) -> Settings:
    def wrong(key: str, why: str) -> HookError:
        return HookError(f"{path}: {key}: {shown(values[key])} {why}")

    if values["ALLOW_PLAIN_HTTP"] not in {"yes", "no"}:
        raise wrong("ALLOW_PLAIN_HTTP", "is neither yes nor no")
    try:
        url = urlsplit(values["URL"])
        url.port  # noqa: B018  raises ValueError where it is no port
    except ValueError:
        raise wrong("URL", "is no URL") from None
    if url.scheme not in {"https", "http"} or not url.hostname or url.username is not None or url.query or url.fragment:
        raise wrong("URL", "is not the address of moatdns's admin API, such as https://moatdns.corp.example:8053")
    if url.scheme == "http" and url.hostname not in _LOOPBACK and values["ALLOW_PLAIN_HTTP"] != "yes":
        raise wrong("URL", "sends the token in clear: use https, or set ALLOW_PLAIN_HTTP=yes")
    if values["GROUP"] and not GROUP.fullmatch(values["GROUP"]):
        raise wrong("GROUP", "is no name of a group: a-z, 0-9 and -")
    ttl = values["TTL_SECONDS"]
    if not re.fullmatch(r"[0-9]{1,9}", ttl) or not SHORTEST_SECONDS <= int(ttl) <= LONGEST_SECONDS:
        raise wrong("TTL_SECONDS", f"is not a number from {SHORTEST_SECONDS} to {LONGEST_SECONDS}")
    if values["UNMAPPED"] not in _UNMAPPED:
        raise wrong("UNMAPPED", f"is none of {', '.join(_UNMAPPED)}")
    for key in ("TOKEN_FILE", "CA_FILE", "MAP", "STATE_DIR"):
        if values[key] and not values[key].startswith("/"):
            raise wrong(key, "is not a whole path: hooks run in any folder")
        if not values[key] and key in {"TOKEN_FILE", "STATE_DIR"}:
            raise wrong(key, "is empty")
    try:
        shared = tuple(ip_network(text, strict=False) for text in values["SHARED"].split())
    except ValueError as error:
        raise wrong("SHARED", f"is not addresses and networks, with spaces between: {error}") from None
    return Settings(
        url=values["URL"].rstrip("/"),
        token_file=Path(values["TOKEN_FILE"]),
        ca_file=Path(values["CA_FILE"]) if values["CA_FILE"] else None,
        group=values["GROUP"] or None,
        ttl_seconds=int(ttl),
        map_file=Path(values["MAP"]) if values["MAP"] else None,
        unmapped=values["UNMAPPED"],
        state_dir=Path(values["STATE_DIR"]),
        ignored=tuple(values["IGNORE"].lower().split()),
        shared=shared,
        domains=tuple(values["DOMAINS"].lower().split()),
        realm=values["REALM"].lower(),
    )


def read_file(path: Path, max_bytes: int, *, called: str = "", is_secret: bool = False) -> str:
    """A file's text. Raises HookError, also where it is too big, not UTF-8, or a secret that is open to everybody.

    `called`: what it is, for that error.
    """
    try:
        if is_secret and path.stat().st_mode & S_IRWXO:
            raise HookError(f"{path}: is open to everybody: chmod 640 it")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise HookError(f"{path}: {called}cannot be read: {error.strerror}") from None
    if len(data) > max_bytes:
        raise HookError(f"{path}: is more than {max_bytes} octets")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise HookError(f"{path}: is not UTF-8 text") from None


def shown(text: str) -> str:
    """Text from elsewhere, short and in one line, for a log."""
    return ascii(text[:80])
