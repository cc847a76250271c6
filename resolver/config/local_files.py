"""Local names of a config, those of its hosts files among them, checked against each other.

A hosts file has ``ADDRESS NAME [ALIAS…]`` a line, and comments behind ``#`` (hosts(5)). It is read when the config is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from resolver.config.local_schema import MOST_ADDRESSES, MOST_NAMES, is_fixed, read_address, read_name, record_of
from resolver.config.wording import shown
from resolver.errors import ConfigError, RuleError
from resolver.wire.local_data import LocalData
from resolver.wire.local_records import BY_KEY, MOST_ALIASES, LocalRecord

MOST_FILE_BYTES: Final = 4 << 20
MOST_LINES: Final = 100_000
_NO_HOSTS = ("255.255.255.255", "fe00::")  # ip6-localnet is in each hosts file of Debian
_MOST_PROBLEMS: Final = 20  # told of one file: a file of another kind has a problem a line


@dataclass(frozen=True, slots=True)
class LocalNamesRead:
    """All local names of a config, and of the hosts files that some of them came from the digests, by path.

    `left_out` are the lines of each file whose address is no host of the network.
    """

    records: tuple[LocalRecord, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def read_local_names(given: Mapping[str, tuple[str, ...]], files: tuple[Path, ...], folder: Path) -> LocalNamesRead:
    """The names of the key `local` and of hosts files, whose relative paths begin at `folder`.

    A name of `local` is not taken from files, too. Raises ConfigError with each bad line as ``FILE:LINE: what``.
    """
    hosts: dict[str, LocalRecord] = {}
    digests: dict[str, str] = {}
    left_out: dict[str, int] = {}
    problems: list[str] = []
    for path in files:
        place = folder / path
        try:
            content = _content(place)
        except ConfigError as error:
            problems += error.problems
            continue
        digests[str(place)] = hashlib.sha256(content).hexdigest()
        lines, mistakes = _add_file(hosts, place, content)
        problems += mistakes
        if lines:
            left_out[str(place)] = lines
    by_key = tuple(record_of(name, texts, BY_KEY) for name, texts in given.items())
    records = (*by_key, *(record for name, record in hosts.items() if name not in given))
    if len(records) > MOST_NAMES:
        problems.append(f"local_files: {len(records)} local names in all: at most {MOST_NAMES} are possible")
    if problems:
        raise ConfigError(problems)
    return LocalNamesRead(records, digests, left_out)


@dataclass(frozen=True, slots=True)
class EndlessAlias:
    """An alias that leads to itself, or on by too many steps. `passed` has all names on its way."""

    name: str
    text: str
    passed: frozenset[str]


def circles(records: tuple[LocalRecord, ...]) -> Iterator[EndlessAlias]:
    """Local names that lead to each other for ever, or by too many steps: each with what is wrong."""
    if not any(record.alias for record in records):
        return
    data = LocalData(records)
    for record in records:
        if not record.alias:
            continue
        passed, texts = [record.name], {record.name, record.alias}
        following = data.find_text(record.alias)
        while following is not None and following.record.alias:
            name = following.record.name
            texts |= {name, following.record.alias}
            if name in passed:
                why = f"leads to itself: {' → '.join((*passed, name))}: let one have an address"
                yield EndlessAlias(record.name, why, frozenset(texts))
                break
            passed.append(name)
            if len(passed) > MOST_ALIASES:
                why = f"leads on by more than {MOST_ALIASES} names: let it stand for the last of them"
                yield EndlessAlias(record.name, why, frozenset(texts))
                break
            following = data.find_text(following.record.alias)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise ConfigError([f"local_files: {shown(str(path))} cannot be read: {why}"]) from error
    if len(content) > MOST_FILE_BYTES:
        raise ConfigError([f"{path}: is larger than {MOST_FILE_BYTES >> 20} MiB, the most for a hosts file"])
    return content


def _add_file(hosts: dict[str, LocalRecord], path: Path, content: bytes) -> tuple[int, list[str]]:
    """Add the names of a file to those there are; the addresses of one name are put together.

    Gives how many lines were left out for their address, and the mistakes.
    """
    left_out = 0
    problems: list[str] = []
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines()
    if len(lines) > MOST_LINES:
        return 0, [f"{path}: has {len(lines)} lines: at most {MOST_LINES} are possible"]
    for number, line in enumerate(lines, 1):
        try:
            left_out += not _add_line(hosts, f"{path}:{number}", line)
        except RuleError as error:
            problems.append(f"{path}:{number}: {error}")
            if len(problems) == _MOST_PROBLEMS:
                problems.append(f"{path}: and more: is it a hosts file?")
                break
    return left_out, problems


def host_of_line(line: bytes) -> tuple[str, list[str]] | None:
    """The address and the names of a line; None for a comment, and for names that mean the same everywhere.

    Raises RuleError.
    """
    try:
        words = line.decode().partition("#")[0].split()
    except UnicodeDecodeError:
        raise RuleError("this line is not UTF-8") from None
    if not words:
        return None
    address, *names = words
    if not names:
        raise RuleError(f"{shown(address)} has no name: write 'ADDRESS NAME [ALIAS…]'")
    if all(is_fixed(name.lower().rstrip(".")) for name in names):
        return None  # such as localhost, with which every hosts file begins
    address, names = read_address(address), [read_name(name) for name in names]
    return address, [name for name in names if not is_fixed(name)]


def _add_line(hosts: dict[str, LocalRecord], origin: str, line: bytes) -> bool:
    """Add the names of a line; False where they are left out, since the address is no host of the network."""
    host = host_of_line(line)
    if host is None:
        return True
    address, names = host
    if is_no_host(ip_address(address)):
        return False
    for name in names:
        known = hosts.get(name)
        if known is None:
            hosts[name] = LocalRecord(name, addresses=(address,), origin=origin)
        elif address not in known.addresses:
            if len(known.addresses) == MOST_ADDRESSES:
                raise RuleError(f"{name} has more than {MOST_ADDRESSES} addresses")
            hosts[name] = LocalRecord(name, addresses=(*known.addresses, address), origin=known.origin)
    return True


def is_no_host(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is this machine alone, many, or none: in its own hosts file right, and wrong for clients."""
    inner = getattr(address, "ipv4_mapped", None) or address
    return inner.is_loopback or inner.is_multicast or inner.is_unspecified or str(inner) in _NO_HOSTS
