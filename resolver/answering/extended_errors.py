"""Extended DNS errors (RFC 8914) for questions that no answer could be had for. No I/O."""

from __future__ import annotations

from typing import Final

from resolver.errors import FormatError, MoatdnsError, UpstreamBadAnswer, UpstreamBusy, UpstreamLame, UpstreamTimeout
from resolver.wire.codes import Ede, rcode_name
from resolver.wire.remarks import remark_of_ede

Why = tuple[int, str]
"""The code and text of an extended DNS error."""

OUR_FAULT: Final[Why] = (Ede.OTHER, "an internal error of the resolver: see its log")
TOO_SLOW: Final[Why] = (Ede.NO_REACHABLE_AUTHORITY, "the target of an alias was not answered in time")


def why_not(error: MoatdnsError) -> Why:
    """The extended error for one that an upstream or its answer was met with (RFC 8914 sections 4.23 and 4.24)."""
    if isinstance(error, FormatError):
        return Ede.NETWORK_ERROR, f"unusable answer: {error}"
    if isinstance(error, UpstreamBadAnswer) and error.rcode is not None:
        if error.told is not None and (remark := remark_of_ede(error.told)) is not None:
            return remark[1], f"{remark[2]}, and answered {rcode_name(error.rcode)}"
        return Ede.OTHER, f"the upstreams answered {rcode_name(error.rcode)}"
    if isinstance(error, UpstreamLame):
        return Ede.NO_REACHABLE_AUTHORITY, "the upstreams return referrals instead of answers"
    if isinstance(error, UpstreamBusy):
        return Ede.OTHER, "too many queries are waiting for an upstream"
    # Clients are not told which upstreams there are.
    if isinstance(error, UpstreamTimeout):
        return Ede.NO_REACHABLE_AUTHORITY, "no upstream answers"
    return Ede.NETWORK_ERROR, "no upstream can be reached"
