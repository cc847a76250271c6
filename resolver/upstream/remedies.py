"""Remedies: another way to put a question to a server that refused it, where the refusal says that this may help.

Each is taken at most once a server: within the three tries that RFC 9520 section 3.1 allows. What a question was given
is a sum of these numbers, by server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from resolver.upstream.server import Server
from resolver.wire.codes import Rcode
from resolver.wire.query import has_edns, wants_dnssec

NO_REMEDY: Final = 0
NEW_COOKIE: Final = 1  # once more over UDP, with the cookie that came along
WITHOUT_OPTIONS: Final = 2  # once more over UDP: the pool has found out that the cookie is not known
PLAINLY: Final = 4  # without EDNS
BY_STREAM: Final = 8  # over TCP, which is not forged from afar (RFC 5452 section 9.3)
KNOWS_NO_EDNS: Final = 16  # beside PLAINLY: the server seems to know none, whatever the question

NONE_TAKEN: Final[Mapping[Server, int]] = {}

_FORMERR: Final = int(Rcode.FORMERR)
_BADVERS: Final = int(Rcode.BADVERS)
_BADCOOKIE: Final = int(Rcode.BADCOOKIE)
# Answers to EDNS by servers that do not know it, or another version alone (RFC 6891 sections 6.1.3 and 7).
_NOT_WITH_EDNS: Final = frozenset({_FORMERR, int(Rcode.NOTIMP), _BADVERS})


def remedy_for(
    rcode: int, response: bytes, tail: bytes, taken: int, *, is_stream: bool, goes_without_edns: bool
) -> int:
    """The remedy for an rcode that is no answer, after those that were `taken`; NO_REMEDY where none may help.

    `tail` is that of the query (resolver.wire.query); `goes_without_edns`: it was put without EDNS already.
    """
    if rcode == _BADCOOKIE:
        if is_stream:
            return NO_REMEDY
        # RFC 7873 section 5.3
        return next((remedy for remedy in (NEW_COOKIE, BY_STREAM) if not taken & remedy), NO_REMEDY)
    if rcode not in _NOT_WITH_EDNS or taken & PLAINLY or goes_without_edns:
        return NO_REMEDY
    # A client that validates needs EDNS (RFC 4035 section 3.2.1), and a server that sends an OPT record knows it.
    knows_edns = has_edns(response)
    if rcode == _FORMERR and not is_stream and not taken & WITHOUT_OPTIONS and (knows_edns or wants_dnssec(tail)):
        return WITHOUT_OPTIONS
    return PLAINLY if knows_edns and rcode != _BADVERS else PLAINLY | KNOWS_NO_EDNS
