"""The guard against rebinding: names of the internet must not lead browsers to addresses of the inner network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from resolver.names import key_of, parse_name
from resolver.wire.addresses import holds_private_address
from resolver.wire.answer import Answer, read_answer, with_ttl, without_private_addresses
from resolver.wire.codes import Type

_TYPES = frozenset({int(Type.A), int(Type.AAAA), int(Type.SVCB), int(Type.HTTPS), int(Type.ANY)})
_TELLS_NAT64 = key_of(parse_name("ipv4only.arpa"))  # by its addresses, whatever they are (RFC 7050)
_MOST_TTL_SECONDS = 60  # of an answer that lost all that was asked for: nothing says how long that holds


class RebindingGuard:
    """Takes private addresses out of answers. Names that may have them, and all below those, are left alone."""

    def __init__(self, private_names: Iterable[bytes]) -> None:
        """`private_names` are keys (resolver.names)."""
        self._private_names = frozenset((*private_names, _TELLS_NAT64))
        self.stripped = 0  # answers that have lost something

    def guarded(self, answer: Answer, message: bytes, qname: bytes, qtype: int, *, keep_authority: bool) -> Answer:
        """The answer, without records that hold private addresses. `message` is what it was read from.

        Nobody has signed what is left, so it is not called authentic (RFC 4035 section 3.2.3). Raises FormatError where
        it cannot be mended.
        """
        if qtype not in _TYPES or not answer.answers:
            return answer
        if not holds_private_address(answer.body, answer.answers) or self._may_be_private(key_of(qname)):
            return answer
        self.stripped += 1
        left = read_answer(without_private_addresses(message, qname), qname, qtype, keep_authority=keep_authority)
        if not left.negative:
            return replace(left, authenticated=False, filtered=True)
        ttl = min(answer.ttl_seconds, _MOST_TTL_SECONDS)
        body = with_ttl(left.body, left.ttl_offsets, ttl)
        return replace(left, authenticated=False, body=body, ttl_seconds=ttl, filtered=True)

    def _may_be_private(self, key: bytes) -> bool:
        at = 0
        while at < len(key):
            at += 1 + key[at]
            if key[:at] in self._private_names:
                return True
        return False
