"""Messages by syslog, read by the grammar of RFC 5424 section 6 and taken apart by their length."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from admin_api.sinks import framing
from admin_api.sinks.moments import Stamps
from admin_api.sinks.rows import AUDIT, QUERY, SinkRow

# RFC 5424 section 6, with NILVALUE for PROCID and STRUCTURED-DATA; a day's and a month's own lengths are left out.
_MESSAGE = re.compile(
    rb"<(?P<pri>0|[1-9]\d{0,2})>(?P<version>[1-9]\d{0,2}) "
    rb"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) - (?P<msgid>[!-~]{1,32}) - (?P<msg>.*)\Z",
    re.DOTALL,
)
_VERDICTS = ("block", "monitor", "exempt", "allow", "failed", "refused")
_MOMENTS = st.integers(0, 253402300799_999)  # to the end of the year 9999

rows = st.builds(
    SinkRow,
    st.sampled_from([QUERY, AUDIT]),
    _MOMENTS.map(lambda moment: Stamps().of(moment)),
    st.sampled_from(_VERDICTS),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200),
)


@given(rows, st.text())
def test_each_message_is_one_of_rfc_5424(row: SinkRow, host: str) -> None:
    message = framing.message(row, framing.host_field(host))
    read = _MESSAGE.match(message)
    assert read is not None, message
    priority = int(read["pri"])
    assert priority <= 191
    assert (read["version"], read["app"], read["msgid"]) == (b"1", b"moatdns", row.source.encode())
    facility, severity = divmod(priority, 8)
    is_noted = row.source == AUDIT or row.verdict in ("block", "monitor")
    assert (facility, severity) == (13 if row.source == AUDIT else 3, 5 if is_noted else 6)
    assert read["msg"].decode() == row.text


@given(st.lists(rows, max_size=20))
def test_a_stream_of_counted_messages_is_taken_apart_as_it_was_put_together(some: list[SinkRow]) -> None:
    messages = [framing.message(row, "dns-1") for row in some]
    stream = b"".join(map(framing.counted, messages))
    found = []
    while stream:
        length, _, rest = stream.partition(b" ")
        assert re.fullmatch(rb"[1-9]\d*", length)  # RFC 6587 section 3.4.1: NONZERO-DIGIT *DIGIT
        found.append(rest[: int(length)])
        stream = rest[int(length) :]
    assert found == messages
