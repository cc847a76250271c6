"""A query's header, question and EDNS, read straight from its bytes.

Owns what may be asked at all: whatever is not one well-formed query raises FormatError (answer with its rcode) or
NotAQuery (drop). What the question *means* is the pipeline's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from resolver.errors import FormatError, NotAQuery
from resolver.wire.codes import (
    HEADER,
    MAX_LABEL,
    MAX_NAME,
    UDP_PAYLOAD,
    UDP_PAYLOAD_PLAIN,
    EdnsOption,
    Flag,
    Rcode,
    Type,
)
from resolver.wire.names import key_of
from resolver.wire.table_key import lower_case
from resolver.wire.tsig import bad_key_record

_OPCODE_MASK: Final = 0x7800
_QR: Final = int(Flag.QR)  # an enumeration's member costs as much to fetch as all the rest of a test
_CD: Final = int(Flag.CD)
_OPT: Final = int(Type.OPT)
_TSIG: Final = int(Type.TSIG)
_BITS: Final = {(False, 0): b"\x00", (True, 0): b"\x01", (False, _CD): b"\x02", (True, _CD): b"\x03"}
_DO: Final = 0x8000  # the first bit of the OPT record's flags (RFC 6891 section 6.1.4)
# Between a client and us alone: they change from query to query, and never what is answered, only what is added to it.
# Whom a client subnet or a MAC address is believed from has it taken for a client.
_HOP_BY_HOP: Final = frozenset(
    {
        EdnsOption.NSID,
        EdnsOption.CLIENT_SUBNET,
        EdnsOption.COOKIE,
        EdnsOption.TCP_KEEPALIVE,
        EdnsOption.PADDING,
        EdnsOption.MAC,
        EdnsOption.DEVICE_ID,
    }
)
# By which a proxy names its client: where there are two, one may be the client's own word, which the proxy left.
_NAMING: Final = frozenset({EdnsOption.CLIENT_SUBNET, EdnsOption.MAC, EdnsOption.DEVICE_ID})
_COOKIE: Final = int(EdnsOption.COOKIE)
_NO_OPTIONS: Mapping[int, bytes] = {}
_NO_QUESTION: Final = b"\x00\x00"
_ROOT: Final = b"\x00"
_MOST_SKIPPED: Final = 32  # questions and records of a query that could not be read
_MOST_ADDITIONAL: Final = 32  # records of a query: OPT, TSIG, SIG(0), and what else nobody needs here
_MOST_OPTIONS: Final = 256


class Question:
    """One parsed query. Plain attributes, because one is made for each query that the answer table does not know.

    * `query`: the whole message; `end`: the offset behind the question section.
    * `key`: the qname's key (resolver.wire.names), lower-case; `qtype`, `qclass`: numbers.
    * `flags`: the header's second word; `edns`: an OPT record was sent; `version`, `dnssec_ok`: from it.
    * `max_size`: the octets that the client takes over UDP, at most what we send (RFC 6891 section 6.2.3, RFC 9715).
    * `options`: the data of the hop-by-hop EDNS options that it carries, by code; of several alike, the first (RFC
      7873 section 4), but nothing of client subnets that differ.
    * `is_bare`: it has no question, only a cookie (RFC 7873 section 5.4); key, qtype and qclass mean nothing then.
    * `tsig`: the TSIG record that its answer ends with, where it is signed: no key is known here; else b"".
    * `table_key`: what stands for this query in the answer table (resolver.wire.table_key).
    """

    __slots__ = (
        "_cache_key",
        "dnssec_ok",
        "edns",
        "end",
        "flags",
        "key",
        "max_size",
        "options",
        "qclass",
        "qtype",
        "query",
        "table_key",
        "tsig",
        "version",
    )

    def __init__(self, query: bytes, end: int, flags: int) -> None:
        self.query = query
        self.end = end
        self.flags = flags
        self.key = key_of(query[HEADER : end - 4] if end > HEADER else _ROOT)
        self.qtype = query[end - 4] << 8 | query[end - 3]
        self.qclass = query[end - 2] << 8 | query[end - 1]
        self.edns = False
        self.version = 0
        self.dnssec_ok = False
        self.max_size = UDP_PAYLOAD_PLAIN
        self.options = _NO_OPTIONS
        self.tsig = b""
        self.table_key = lower_case(query)
        self._cache_key = b""

    @property
    def section(self) -> bytes:
        """The question section as the client wrote it, letter case included."""
        return self.query[HEADER : self.end]

    @property
    def is_bare(self) -> bool:
        """Whether it asks for nothing but a cookie."""
        return self.end == HEADER

    @property
    def checking_disabled(self) -> bool:
        """The CD bit (RFC 4035 section 3.2.2)."""
        return bool(self.flags & _CD)

    @property
    def wants_ad(self) -> bool:
        """Whether the client understands the AD bit (RFC 6840 section 5.7)."""
        return self.dnssec_ok or bool(self.flags & Flag.AD)

    @property
    def cache_key(self) -> bytes:
        """The key of its answer in the cache: qname in lower case, qtype, qclass, DO and CD; b"" without a question."""
        if self.end == HEADER:
            return b""
        if not self._cache_key:
            query, end = self.query, self.end
            bits = _BITS[self.dnssec_ok, self.flags & _CD]
            # Lower the name alone: qtype 65 (HTTPS) is the octet of the letter A.
            self._cache_key = query[HEADER : end - 4].lower() + query[end - 4 : end] + bits
        return self._cache_key


def parse_question(query: bytes) -> Question:
    """Read a query. Raises NotAQuery for what must be dropped, FormatError with the rcode for what must be refused."""
    if len(query) < HEADER:
        raise NotAQuery("shorter than a header")
    flags = query[2] << 8 | query[3]
    if flags & _QR:
        raise NotAQuery("a response; answering it would let two servers answer each other for ever")
    if flags & _OPCODE_MASK:  # anything but QUERY, which is 0 (RFC 1035 section 4.1.1)
        raise FormatError("unknown opcode", Rcode.NOTIMP)
    if query[6:10] != b"\x00\x00\x00\x00":
        raise FormatError("a query with answer or authority records")
    if query[4:6] != b"\x00\x01":
        return _bare_question(query, flags)
    end = _end_of_question(query)
    question = Question(query, end, flags)
    additional = query[10] << 8 | query[11]
    if additional:
        _read_additional(question, additional)
    elif len(query) != end:
        raise FormatError("octets behind the last record")
    return question


def _bare_question(query: bytes, flags: int) -> Question:
    """A query for a cookie alone; all others without just one question are malformed (RFC 9619 section 4)."""
    additional = query[10] << 8 | query[11]
    if query[4:6] == _NO_QUESTION and additional:
        question = Question(query, HEADER, flags)
        _read_additional(question, additional)
        if _COOKIE in question.options:
            return question
    raise FormatError("QDCOUNT is not 1")


def carries_opt(query: bytes) -> bool:
    """Whether a query that is answered with an error has an OPT record where one is to be expected.

    The answer has one then (RFC 6891 section 7). False for what is too broken, or too long, to find it.
    """
    counts = [query[at] << 8 | query[at + 1] for at in range(4, HEADER, 2)]
    if sum(counts) > _MOST_SKIPPED:
        return False
    at = HEADER
    try:
        for _ in range(counts[0]):
            at = _skip_name(query, at) + 4
        for _ in range(sum(counts[1:])):
            owner = at
            at = _skip_name(query, at)
            if query[owner] == 0 and query[at] << 8 | query[at + 1] == Type.OPT:
                return len(query) >= at + 10
            at += 10 + (query[at + 8] << 8 | query[at + 9])
    except (FormatError, IndexError):
        pass
    return False


def _end_of_question(query: bytes) -> int:
    at = HEADER
    try:
        while length := query[at]:
            if length > MAX_LABEL:
                raise FormatError("a compressed or over-long label in the question")
            at += length + 1
    except IndexError:
        raise FormatError("the question is cut off") from None
    if at - HEADER >= MAX_NAME:
        raise FormatError("a qname of more than 255 octets")
    end = at + 5
    if end > len(query):
        raise FormatError("the question is cut off")
    return end


def _read_additional(question: Question, count: int) -> None:
    query = question.query
    at = question.end
    size = len(query)
    if count > _MOST_ADDITIONAL:
        raise FormatError("more additional records than a query has")
    for index in range(count):
        owner = at
        at = _skip_name(query, at)
        if at + 10 > size:
            raise FormatError("an additional record is cut off")
        rtype = query[at] << 8 | query[at + 1]
        rdata = at + 10
        at = rdata + (query[at + 8] << 8 | query[at + 9])
        if at > size:
            raise FormatError("an additional record is cut off")
        if rtype == _OPT:
            if question.edns or query[owner]:
                raise FormatError("a second OPT record, or one that is not the root's")  # RFC 6891 section 6.1.1
            _read_opt(question, owner, rdata, at)
        elif rtype == _TSIG:
            if index != count - 1:
                raise FormatError("a TSIG record that is not the last")  # RFC 8945 section 5.1
            question.tsig = bad_key_record(query, owner, rdata, at)
    if at != size:
        raise FormatError("octets behind the last record")


def _skip_name(query: bytes, at: int) -> int:
    try:
        while length := query[at]:
            if length >= 0xC0:
                return at + 2
            if length > MAX_LABEL:
                raise FormatError("an unknown kind of label")
            at += length + 1
    except IndexError:
        raise FormatError("a name is cut off") from None
    return at + 1


def _read_opt(question: Question, owner: int, rdata: int, end: int) -> None:
    query = question.query
    question.edns = True
    payload = query[owner + 3] << 8 | query[owner + 4]
    # Values below 512 count as 512 (RFC 6891 section 6.2.3).
    question.max_size = min(max(payload, UDP_PAYLOAD_PLAIN), UDP_PAYLOAD)
    question.version = query[owner + 6]
    question.dnssec_ok = bool((query[owner + 7] << 8 | query[owner + 8]) & _DO)
    if rdata == end or question.version:  # what options of another version look like, nobody knows
        return
    kept = bytearray()
    options: dict[int, bytes] = {}
    at = rdata
    options_left = _MOST_OPTIONS
    while at < end:
        options_left -= 1
        if options_left < 0:
            raise FormatError("more EDNS options than a query has")
        if at + 4 > end:
            raise FormatError("an EDNS option is cut off")
        code = query[at] << 8 | query[at + 1]
        following = at + 4 + (query[at + 2] << 8 | query[at + 3])
        if following > end:
            raise FormatError("an EDNS option is cut off")
        if code in _HOP_BY_HOP:
            data = query[at + 4 : following]
            if options.setdefault(code, data) != data and code in _NAMING:
                options[code] = b""  # nobody's then
        else:
            kept += query[at:following]
        at = following
    if options:
        question.options = options
        # The key has no ID.
        whole = question.table_key
        question.table_key = whole[: rdata - 4] + len(kept).to_bytes(2, "big") + bytes(kept) + whole[end - 2 :]
