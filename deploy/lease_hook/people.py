"""Owners of devices: identities, and the map of keys (MAC addresses, client ids, public keys, names) to them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .settings import GROUP, HookError, Settings, read_file, shown

MAX_IDENTITY: Final = 200  # characters; moatdns takes no more
_MAX_MAP_BYTES: Final = 4 << 20
KINDS: Final = ("mac", "id", "duid")
"""Kinds of keys by which DHCP servers know devices: hardware addresses, client identifiers, DHCPv6's DUIDs."""

DeviceKey = tuple[str, str]
"""Kind, and octets as aa:bb:..."""

_MARKS: Final = ("host:", "mac:", "id:", "duid:")  # identities of devices begin so, and those of people do not
_OCTETS: Final = re.compile(r"[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2})*")
_WITH_TYPE: Final = re.compile(r"[0-9A-Fa-f]{2}-([0-9A-Fa-f]{2}:){5,}[0-9A-Fa-f]{2}")
_DUID: Final = re.compile("00:0[1-4]:")  # by time, enterprise, link-layer address, UUID (RFC 8415 11, RFC 6355)
_HARDWARE: Final = re.compile(r"[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5,}")


class Holder(NamedTuple):
    """Whose a device is, and the group it belongs to; None is the group that the network gives."""

    identity: str
    group: str | None


def read_identity(text: str) -> str:
    """An identity as it may be sent. Raises HookError."""
    identity = text.strip()
    if not identity:
        raise HookError("the identity is empty")
    if len(identity) > MAX_IDENTITY:
        raise HookError(f"the identity {shown(identity)}... is longer than {MAX_IDENTITY} characters")
    if not identity.isprintable():  # control characters, and surrogates that stand for what is no UTF-8
        raise HookError(f"the identity {shown(identity)} holds characters that cannot be printed")
    return identity


def normal_key(text: str) -> str:
    """A plain key of the map in its one form: what is written like octets as aa:bb:..., all others as they are."""
    return _octets(text) if _HARDWARE.fullmatch(text) else text


def device_key(kind: str, text: str) -> DeviceKey:
    """A server's name for a device, as a key of that kind. Raises HookError for what is none."""
    # dnsmasq sets the type before hardware addresses that are no Ethernet, as in 06-aa:bb:...
    if not _OCTETS.fullmatch(text) or (kind == "mac" and not _HARDWARE.fullmatch(text)):
        raise HookError(f"{shown(text)} is no key of kind {kind}: write octets, as in {kind}:02:00:5e:00:53:07")
    return kind, _octets(text)


def _octets(text: str) -> str:
    return ":".join(part.zfill(2) for part in re.split("[:-]", text.lower()))


def _kind_of(text: str) -> str:
    """The kind of a key that says none: a MAC address is one; of what is longer, how it begins tells (RFC 8415 11)."""
    if len(re.split("[:-]", text)) == 6 or _WITH_TYPE.fullmatch(text):
        return "mac"
    return "duid" if _DUID.match(_octets(text)) else "id"


class DeviceMap:
    """Key to holder, as the map file says: lines `KEY IDENTITY [GROUP]`. `faults` are the lines that were left out.

    A DHCP client chooses its client id and its DUID: written like somebody's MAC address, they are still another kind
    of key, and so are the names that VPN servers say.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._devices: dict[DeviceKey, Holder] = {}
        self._names: dict[str, Holder] = {}  # keys that say no kind
        self._without_kind = 0
        self.faults: list[str] = []
        if settings.map_file is not None:
            self._read(settings.map_file)

    def __iter__(self) -> Iterator[str]:
        yield from self._names
        yield from (":".join(key) for key in self._devices)

    @property
    def note(self) -> str:
        """The warning about keys that are read as devices, and say no kind; empty where all do."""
        if not self._without_kind:
            return ""
        return (
            f"{self._settings.map_file}: {self._without_kind} keys of devices say no kind: six octets are read as "
            "mac:, what begins as DUIDs do as duid:, all others as id:; write mac:, duid: or id: before them"
        )

    def get(self, *names: str) -> Holder | None:
        """The holder of the first of these names that the map has: common names, user names, public keys."""
        return next((self._names[name] for name in map(normal_key, names) if name in self._names), None)

    def of_name(self, name: str) -> Holder:
        """Whose a session is that a server knows by a name: the map's word, else the name itself. Raises HookError."""
        mapped = self.get(name)
        if mapped is None and name.strip().startswith(_MARKS):
            raise HookError(
                f"the name {shown(name)} is one that only devices have: theirs begin with {', '.join(_MARKS)}"
            )
        return mapped or Holder(read_identity(name), self._settings.group)

    def is_nobody(self, name: str) -> bool:
        """Whether a name is of those that the config ignores: accounts of services and machines, anonymous ones."""
        return any(fnmatch.fnmatchcase(name.strip().lower(), pattern) for pattern in self._settings.ignored)

    def of_device(self, mac: str, *, client_id: str = "", duid: str = "", host_name: str = "") -> Holder | None:
        """Whose a DHCP client is; None where nobody says. Raises HookError.

        A client chooses its host name, and any MAC address it likes: what stands on these alone is marked as such, so
        that no device becomes a person of the map by calling itself so.
        """
        for kind, text in (("mac", mac), ("id", client_id), ("duid", duid)):
            try:
                mapped = self._devices.get(device_key(kind, text)) if text else None
            except HookError:
                continue  # none that a map could name
            if mapped is not None:
                return mapped
        if self._settings.unmapped == "host-name" and host_name:
            return Holder(read_identity(f"host:{host_name}"), self._settings.group)
        if self._settings.unmapped == "mac" and mac:
            return Holder(read_identity(f"mac:{normal_key(mac)}"), self._settings.group)
        return None

    def _read(self, path: Path) -> None:
        text = read_file(path, _MAX_MAP_BYTES, called="the map ")
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition(" #")[0].split()
            if not words or words[0].startswith("#"):
                continue
            try:
                self._add(words)
            except HookError as error:
                self.faults.append(f"{path}:{number}: {error}; left out")

    def _add(self, words: list[str]) -> None:
        if len(words) not in {2, 3}:
            raise HookError("is not KEY IDENTITY [GROUP]")
        group = words[2] if len(words) == 3 else self._settings.group
        if group is not None and not GROUP.fullmatch(group):
            raise HookError(f"{shown(group)} is no name of a group: a-z, 0-9 and -")
        holder = Holder(read_identity(words[1]), group)
        kind, colon, rest = words[0].partition(":")
        if colon and kind in KINDS:
            self._name_device(device_key(kind, rest), words[0], holder)
            return
        key = normal_key(words[0])
        if key in self._names:
            raise HookError(f"{shown(key)} is named twice")
        if _HARDWARE.fullmatch(words[0]):
            self._name_device(device_key(_kind_of(words[0]), words[0]), words[0], holder)
            self._without_kind += 1
        self._names[key] = holder

    def _name_device(self, key: DeviceKey, written: str, holder: Holder) -> None:
        if key in self._devices:
            raise HookError(f"{shown(written)} is named twice")
        self._devices[key] = holder
