"""Syslog messages: the header of RFC 5424, and octet counting (RFC 6587 section 3.4.1, RFC 5425 section 4.3)."""

from __future__ import annotations

import re
from typing import Final

from admin_api.sinks.rows import AUDIT, SinkRow

MOST_DATAGRAM: Final = 60_000
"""Octets of a message in a datagram; longer ones are cut off."""

_FACILITY_AUDIT: Final = 13  # log audit (RFC 5424 section 6.2.1)
_FACILITY_DAEMON: Final = 3
_NOTICE: Final = 5
_INFORMATIONAL: Final = 6
_NOTED: Final = frozenset(("block", "monitor"))  # verdicts
_NOT_PRINTABLE: Final = re.compile(r"[^!-~]")
_LONGEST_HOST: Final = 255


def host_field(name: str) -> str:
    """A host name as HOSTNAME has it: printable ASCII without spaces (RFC 5424 section 6.2.4)."""
    return _NOT_PRINTABLE.sub("", name)[:_LONGEST_HOST] or "-"


def message(row: SinkRow, host: str) -> bytes:
    """The message of a row. MSGID is what it is of: `query` or `audit`."""
    if row.source == AUDIT:
        priority = _FACILITY_AUDIT * 8 + _NOTICE
    else:
        priority = _FACILITY_DAEMON * 8 + (_NOTICE if row.verdict in _NOTED else _INFORMATIONAL)
    return f"<{priority}>1 {row.stamp} {host} moatdns - {row.source} - {row.text}".encode("ascii")


def counted(text: bytes) -> bytes:
    """A message as a stream has it: behind its length."""
    return b"%d %b" % (len(text), text)
