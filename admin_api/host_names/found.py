"""Host names found in one file, by address, and how many of its lines were passed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NamedTuple

from resolver.config.local_files import is_no_host
from resolver.config.local_schema import read_address
from resolver.errors import RuleError
from resolver.system.safe_text import refuse_acting

MOST_CHARACTERS: Final = 253
"""Of a host name. Devices send what their owners typed: it need be no name of DNS."""


class HostName(NamedTuple):
    """A machine's name, and when its address is free again, in seconds since 1970; None: it stays."""

    name: str
    until: float | None = None


@dataclass(slots=True)
class FoundNames:
    """The names of one file. `first` tells the first line that was passed over, and why."""

    most: int  # names
    names: dict[str, HostName] = field(default_factory=dict)
    passed_over: int = 0
    first: str | None = None
    beyond: int = 0  # names for which there was no room

    def add(self, line: int, address: str, name: str, until: float | None = None, *, replaces: bool = True) -> None:
        """Note what the machine at an address is called. A bad address or name is passed over, the latter with it.

        What a lease file says later replaces what it said before; of a hosts file, the first line counts.
        """
        try:
            at = read_address(address)
            told = normal_host_name(name)
        except RuleError as error:
            self.pass_over(line, str(error))
            return
        if is_no_host(ip_address(at)) or (at in self.names and not replaces):
            return
        if at not in self.names and len(self.names) >= self.most:
            self.beyond += 1
            return
        self.names[at] = HostName(told, until)

    def forget(self, address: str) -> None:
        """Take out the name of an address that is free, or whose machine has none."""
        try:
            self.names.pop(read_address(address), None)
        except RuleError:
            return  # no name was ever noted for it

    def pass_over(self, line: int, why: str) -> None:
        """Count a line that cannot be read."""
        self.passed_over += 1
        if self.first is None:
            self.first = f"line {line}: {why}"


def normal_host_name(text: str) -> str:
    """A host name as it is shown, on one line and without the last dot. Raises RuleError."""
    name = text.strip().rstrip(".")
    if not name:
        raise RuleError("the name is empty")
    if len(name) > MOST_CHARACTERS:
        raise RuleError(f"the name has {len(name)} characters: at most {MOST_CHARACTERS} are possible")
    refuse_acting(name)
    return name
