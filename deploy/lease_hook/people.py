"""Who has a device: identities, and the map of keys (MAC addresses, client ids, public keys, names) to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .settings import GROUP, HookError, Settings, read_file, shown

MAX_IDENTITY: Final = 200  # characters; moatdns takes no more
_MAX_MAP_BYTES: Final = 4 << 20
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
    """A key of the map in its one form: hardware addresses and client ids as aa:bb:..., all others as they are."""
    if _HARDWARE.fullmatch(text):
        return ":".join(part.zfill(2) for part in re.split("[:-]", text.lower()))
    return text


class DeviceMap:
    """Key to holder, as the map file says: lines `KEY IDENTITY [GROUP]`. `faults` are the lines that were left out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._holders: dict[str, Holder] = {}
        self.faults: list[str] = []
        if settings.map_file is not None:
            self._read(settings.map_file)

    def __iter__(self) -> Iterator[str]:
        return iter(self._holders)

    def get(self, *keys: str) -> Holder | None:
        """The holder of the first of these keys that the map names."""
        return next((self._holders[key] for key in map(normal_key, keys) if key in self._holders), None)

    def of_device(self, mac: str, *, client_id: str = "", host_name: str = "") -> Holder | None:
        """Whose a DHCP client is; None where nobody says. Raises HookError.

        A client chooses its host name, and any MAC address it likes: what stands on these alone is marked as such, so
        that no device becomes a person of the map by calling itself so.
        """
        mapped = self.get(mac, client_id)
        if mapped is not None:
            return mapped
        if self._settings.unmapped == "host-name" and host_name:
            return Holder(read_identity(f"host:{host_name}"), self._settings.group)
        if self._settings.unmapped == "mac" and mac:
            return Holder(read_identity(f"mac:{normal_key(mac)}"), self._settings.group)
        return None

    def _read(self, path: Path) -> None:
        try:
            text = read_file(path, _MAX_MAP_BYTES)
        except OSError as error:
            raise HookError(f"{path}: the map cannot be read: {error.strerror}") from None
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
        key = normal_key(words[0])
        if key in self._holders:
            raise HookError(f"{shown(key)} is named twice")
        self._holders[key] = Holder(read_identity(words[1]), group)
