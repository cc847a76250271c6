"""Two answers made one: an alias that leads on, and what was said of its target when it was asked for by itself."""

from __future__ import annotations

from array import array

from resolver.errors import FormatError
from resolver.wire.answer import Answer, with_ttl
from resolver.wire.answer_reader import MAX_RECORDS
from resolver.wire.chain import MAX_CHAIN
from resolver.wire.codes import HEADER, TYPE_AND_CLASS
from resolver.wire.names import key_of
from resolver.wire.reading import Names
from resolver.wire.rewriting import Rewriter


def joined(first: Answer, qname: bytes, then: Answer, target: bytes, ttl_seconds: int) -> Answer:
    """The answer for `qname`, of one that leads on to `target` and one for `target`; names are lower-case wire form.

    Authentic only if both are (RFC 4035 section 3.2.3). Raises FormatError where the aliases go in a circle or are too
    many, or the whole is no message.
    """
    if first.aliases + then.aliases > MAX_CHAIN:
        raise FormatError(f"a CNAME chain of more than {MAX_CHAIN}")
    passed = {key_of(qname), *first.targets}
    if any(key in passed for key in then.targets[: then.aliases]):
        raise FormatError("a CNAME chain with a loop")
    if len(first.ttl_offsets) + len(then.ttl_offsets) > MAX_RECORDS:
        raise FormatError(f"more than {MAX_RECORDS} records")
    written = Rewriter(qname)
    parts = [(_names(answer, name), answer, name) for answer, name in ((first, qname), (then, target))]
    below = []
    try:
        for names, answer, name in parts:
            records, at = names.records(HEADER + len(name) + TYPE_AND_CLASS, answer.answers)
            for record in records:
                written.add(names, record)
            below.append(at)
        for (names, answer, _), at in zip(parts, below, strict=True):
            for record in names.records(at, answer.authorities)[0]:
                written.add(names, record)
    except IndexError:  # these were read before
        raise FormatError("an answer that is cut off") from None
    places = array("H", written.ttl_offsets)
    return Answer(
        rcode=then.rcode,
        authenticated=first.authenticated and then.authenticated,
        body=with_ttl(written.body, places, ttl_seconds),
        answers=first.answers + then.answers,
        authorities=first.authorities + then.authorities,
        ttl_offsets=places,
        ttl_seconds=ttl_seconds,
        negative=then.negative,
        targets=tuple(dict.fromkeys((*first.targets, *then.targets))),
        filtered=first.filtered or then.filtered,
        aliases=first.aliases + then.aliases,
        leads_on=then.leads_on,
        remark=then.remark or first.remark,
    )


def _names(answer: Answer, qname: bytes) -> Names:
    return Names(bytes(HEADER) + qname + bytes(TYPE_AND_CLASS) + answer.body)
