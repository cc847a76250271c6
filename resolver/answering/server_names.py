"""The names by which a server tells of itself, in class CH (RFC 4892): hidden unless the admin lets it tell. No I/O."""

from __future__ import annotations

from resolver.wire.codes import POINTER_TO_QUESTION, Class, Rcode, Type
from resolver.wire.message import soa_record
from resolver.wire.names import key_of, parse_name
from resolver.wire.question import Question
from resolver.wire.response import compose

LONGEST = 255  # octets: one character-string (RFC 1035 section 3.3.14)

_OWNER_AND_TYPE = POINTER_TO_QUESTION + Type.TXT.to_bytes(2, "big")
_TTL = bytes(4)
_POINTER_AND_TYPE = 4  # octets
_SOA = soa_record(0)
_SOA = _SOA[:_POINTER_AND_TYPE] + Class.CH.to_bytes(2, "big") + _SOA[_POINTER_AND_TYPE + 2 :]


class ServerNames:
    """The answers about this server that there are."""

    def __init__(self, identity: str | None = None, version: str | None = None) -> None:
        """Texts of at most LONGEST octets; None where nothing is told."""
        told = {"id.server": identity, "hostname.bind": identity, "version.server": version, "version.bind": version}
        self._records = {key_of(parse_name(name)): _record(text) for name, text in told.items() if text is not None}

    def answer(self, question: Question) -> bytes | None:
        """The response to a question about this server that it tells of, else None."""
        record = self._records.get(question.key) if question.qclass == Class.CH else None
        if record is None:
            return None
        if question.qtype in (Type.TXT, Type.ANY):
            return compose(question, Rcode.NOERROR, record, answers=1)
        return compose(question, Rcode.NOERROR, _SOA, authorities=1)


def _record(text: str) -> bytes:
    data = text.encode()
    if len(data) > LONGEST:
        raise ValueError(f"{len(data)} octets do not fit into a character-string")
    rdata = bytes((len(data),)) + data
    return _OWNER_AND_TYPE + Class.CH.to_bytes(2, "big") + _TTL + len(rdata).to_bytes(2, "big") + rdata
