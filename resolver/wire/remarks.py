"""Remarks on an upstream's answer: that it was filtered, here or there, and by whom. A forwarder has to say so itself.

A remark is ``(kind, code, text)``: the label that it is counted under, and the extended error (RFC 8914) that clients
and the query log are told.
"""

from __future__ import annotations

from typing import Final

from resolver.errors import FormatError
from resolver.system.safe_text import visible
from resolver.wire.addresses import addresses_in
from resolver.wire.codes import Ede, EdnsOption, Type
from resolver.wire.records import records

Remark = tuple[str, int, str]

PRIVATE_ADDRESSES: Final[Remark] = (
    "private_addresses",
    int(Ede.FILTERED),
    "private addresses were left out: see upstream.private_names",
)
ZERO_ADDRESS: Final[Remark] = (
    "upstream_zero_address",
    int(Ede.FILTERED),
    "the upstream answered 0.0.0.0 or ::, as filters do for blocked names",
)
KINDS: Final = ("private_addresses", "upstream_zero_address", "upstream_blocked", "upstream_bogus")

EDE_CODE: Final = int(EdnsOption.EDE).to_bytes(2, "big")
"""Octets without which a message has no extended error."""
_OPT: Final = int(Type.OPT)
_ADDITIONAL: Final = 2
_LONGEST_TEXT: Final = 100  # characters of somebody else's
_ZEROS: Final = (b"\x00\x04" + bytes(4), b"\x00\x10" + bytes(16))  # length and data of such an A or AAAA record
_BLOCKED: Final = {4: "forged answer", 15: "blocked", 16: "censored", 17: "filtered", 18: "prohibited"}
_BOGUS: Final = {
    5: "DNSSEC indeterminate",
    6: "DNSSEC bogus",
    7: "signature expired",
    8: "signature not yet valid",
    9: "DNSKEY missing",
    10: "RRSIGs missing",
    11: "no zone key bit set",
    12: "NSEC missing",
}


def ede_in(message: bytes) -> tuple[int, str] | None:
    """The first extended error of a message and its text; None where there is none, or none that can be read."""
    if EDE_CODE not in message:  # nearly all: not a record is looked at
        return None
    try:
        for record in records(message):
            if record.section != _ADDITIONAL or record.rtype != _OPT:
                continue
            at = record.start
            while at + 4 <= record.end:
                size = message[at + 2] << 8 | message[at + 3]
                if message[at : at + 2] == EDE_CODE and size >= 2 and at + 4 + size <= record.end:
                    text = message[at + 6 : at + 4 + size].rstrip(b"\x00").decode("utf-8", "replace")
                    return message[at + 4] << 8 | message[at + 5], visible(text)[:_LONGEST_TEXT]
                at += 4 + size
    except FormatError:
        pass
    return None


def remark_of_ede(told: tuple[int, str]) -> Remark | None:
    """The remark that an upstream's own extended error makes; None for one about neither filters nor DNSSEC."""
    code, text = told
    words = _BLOCKED.get(code) or _BOGUS.get(code)
    if words is None:
        return None
    kind = "upstream_blocked" if code in _BLOCKED else "upstream_bogus"
    return kind, code, f"the upstream says: {words}{f' ({text})' if text else ''}"


def is_zero_address(body: bytes, answers: int) -> bool:
    """Whether all addresses of an answer section, read before, are 0.0.0.0 or ::, and there are any."""
    if _ZEROS[0] not in body and _ZEROS[1] not in body:
        return False
    found = addresses_in(body, answers)
    return bool(found) and not any(any(address) for address in found)
