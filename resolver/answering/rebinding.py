"""The guard against rebinding: names of the internet must not lead browsers to addresses of the inner network."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace

from resolver.config.settings import WorkerSettings
from resolver.wire.addresses import holds_private_address
from resolver.wire.answer import Answer, with_ttl
from resolver.wire.answer_reader import read_answer
from resolver.wire.codes import POINTER_TO_QUESTION, TYPE_AND_CLASS, Type
from resolver.wire.message import soa_record
from resolver.wire.names import ancestors_of, key_of, parse_name, wire_of_key

_TYPES = frozenset({int(Type.A), int(Type.AAAA), int(Type.SVCB), int(Type.HTTPS), int(Type.ANY)})
_TELLS_NAT64 = key_of(parse_name("ipv4only.arpa"))  # by its addresses, whatever they are (RFC 7050)
_MOST_TTL_SECONDS = 60  # of an answer that lost all that was asked for: nothing says how long that holds
_SOA = soa_record(_MOST_TTL_SECONDS).removeprefix(POINTER_TO_QUESTION)


def private_names_of(settings: WorkerSettings) -> frozenset[bytes] | None:
    """Keys of the names that may have private addresses, with all below them; None where any name may."""
    if not settings.rebinding_guard:
        return None
    return frozenset(key_of(parse_name(name)) for name in (*settings.private_names, *(z.name for z in settings.zones)))


class RebindingGuard:
    """Takes private addresses out of answers. Names that may have them, and all below those, are left alone."""

    def __init__(self, private_names: Iterable[bytes]) -> None:
        """`private_names` are keys (resolver.wire.names)."""
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
        left = read_answer(message, qname, qtype, keep_authority=keep_authority, without_private=True)
        if not left.negative:
            return replace(left, authenticated=False, filtered=True)
        return _without_data(left, min(answer.ttl_seconds, _MOST_TTL_SECONDS))

    def _may_be_private(self, key: bytes) -> bool:
        return any(above in self._private_names for above in ancestors_of(key))


def _without_data(answer: Answer, ttl_seconds: int) -> Answer:
    """The answer of a chain whose end has lost its data: NODATA, with an SOA as all of ours (RFC 2308 section 3)."""
    owner = wire_of_key(answer.targets[-1]) if answer.targets else POINTER_TO_QUESTION
    places = array("H", (*answer.ttl_offsets, len(answer.body) + len(owner) + TYPE_AND_CLASS))
    return replace(
        answer,
        authenticated=False,
        body=with_ttl(answer.body + owner + _SOA, places, ttl_seconds),
        authorities=1,
        ttl_offsets=places,
        ttl_seconds=ttl_seconds,
        filtered=True,
    )
