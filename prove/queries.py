"""Queries as bytes, and streams of them for a steady load."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from prove.messages import wire_name

_RD = b"\1\0"
_OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # EDNS, 1232 octets: with it come the reasons (EDE)

Query = tuple[str, bytes]


def query(name: str, *, edns: bool = False) -> Query:
    """An A query with ID 0, beside its name."""
    counts = b"\0\1\0\0\0\0" + (b"\0\1" if edns else b"\0\0")
    return name, b"\0\0" + _RD + counts + wire_name(name) + b"\0\1\0\1" + (_OPT if edns else b"")


def in_turn(names: Iterable[str], *, edns: bool = False) -> Iterator[Query]:
    """The names again and again."""
    return itertools.cycle([query(name, edns=edns) for name in names])


def unique(prefix: str, zone: str = "example", *, edns: bool = False) -> Iterator[Query]:
    """Names that nobody has asked for."""
    return (query(f"{prefix}{number}.{zone}", edns=edns) for number in itertools.count())


def mixed(*streams: Iterator[Query]) -> Iterator[Query]:
    """One of each stream in turn."""
    return itertools.chain.from_iterable(zip(*streams, strict=False))


def write_for_dnsperf(path: Path, names: Iterable[str]) -> None:
    """dnsperf's data file: an A query for each name."""
    with path.open("w", encoding="ascii") as file:
        file.writelines(f"{name} A\n" for name in names)
