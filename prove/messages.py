"""Answers as bytes, for upstreams that must be quick, and what a checker reads of an answer."""

from __future__ import annotations

import socket
import struct

_A, _CNAME, _SOA, _IN = 1, 5, 6, 1
_QR_RD_RA = 0x8180
_NXDOMAIN = 3
_HEADER = 12
_RECORD = struct.Struct("!HHIH")


def question_end(query: bytes) -> int:
    """The offset behind the question of a query. Raises ValueError where there is none."""
    at = _HEADER
    while at < len(query) and query[at]:
        at += 1 + query[at]
    if at + 5 > len(query):
        raise ValueError("no question")
    return at + 5


def name_of(query: bytes) -> str:
    """The question's name, lower-case, for names of letters, digits and '-'; any other octets become Latin-1."""
    labels = []
    at = _HEADER
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    return ".".join(labels).lower()


def wire_name(name: str) -> bytes:
    """A name's labels with their lengths."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def header(message_id: bytes, flags: int, answers: int, *, questions: int = 1, additional: int = 0) -> bytes:
    """The first twelve octets."""
    return message_id + struct.pack("!5H", flags, questions, answers, 0, additional)


def a_record(owner: bytes, address: str, ttl_seconds: int) -> bytes:
    """An A record; `owner` is a wire name or a pointer."""
    return owner + _RECORD.pack(_A, _IN, ttl_seconds, 4) + socket.inet_aton(address)


def cname_record(owner: bytes, target: bytes, ttl_seconds: int) -> bytes:
    """A CNAME record."""
    return owner + _RECORD.pack(_CNAME, _IN, ttl_seconds, len(target)) + target


def answer(
    message_id: bytes, question: bytes, address: str, ttl_seconds: int, *, alias_of: str = "", flags: int = _QR_RD_RA
) -> bytes:
    """An answer with one address to a question section of one entry, at `alias_of` if that is given."""
    if question[-4:] != b"\0\1\0\1":
        return header(message_id, flags, 0) + question
    if not alias_of:
        return header(message_id, flags, 1) + question + a_record(b"\xc0\x0c", address, ttl_seconds)
    target = wire_name(alias_of)
    alias = cname_record(b"\xc0\x0c", target, ttl_seconds)
    return header(message_id, flags, 2) + question + alias + a_record(target, address, ttl_seconds)


def nxdomain(message_id: bytes, question: bytes, ttl_seconds: int) -> bytes:
    """An answer by which the name of a question section of one entry does not exist, with its zone's SOA."""
    parent = 12 + 1 + question[0]
    pointer = (0xC000 | parent).to_bytes(2, "big")
    numbers = struct.pack("!5I", 1, 3600, 600, 86400, ttl_seconds)
    soa = pointer + _RECORD.pack(_SOA, _IN, ttl_seconds, 4 + len(numbers)) + pointer + pointer + numbers
    return message_id + struct.pack("!5H", _QR_RD_RA | _NXDOMAIN, 1, 0, 1, 0) + question + soa
