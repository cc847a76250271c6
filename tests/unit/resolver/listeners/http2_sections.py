"""RFC 9113 and RFC 7541, section by section: frames that are wrong, and unusual ones that are right."""

from __future__ import annotations

import hpack

from tests.support.http2_frames import AS_QUERY, REQUEST, block, data, headers, post, raw, settings

QUERY = bytes.fromhex("000001000001000000000000") + b"\x01a\x00\x00\x01\x00\x01"
NO_ERROR, PROTOCOL, FLOW_CONTROL, CLOSED, SIZE, REFUSED, COMPRESSION = 0, 1, 3, 5, 6, 7, 9
GET = {**REQUEST, ":method": "GET", ":path": "/dns-query?dns=AAABAAABAAAAAAAAAWEAAAEAAQ"}
LATER = b"\x01" + QUERY[1:]  # it is answered behind the next piece
PRIORITY = bytes(4) + b"\x0f"
MOST = 2**31 - 1
ENDS = "END_STREAM"


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in AS_QUERY.items() if key != name}


def with_field(name: str, value: str) -> list[tuple[str, str]]:
    return [*AS_QUERY.items(), (name, value)]


def whole(fields: dict[str, str] | list[tuple[str, str]]) -> bytes:
    """A request with these fields and a query."""
    return headers(1, fields) + data(1, QUERY, ENDS)


def continued(stream: int, *pieces: bytes) -> bytes:
    return b"".join(raw(9, 4 if number == len(pieces) - 1 else 0, stream, piece) for number, piece in enumerate(pieces))


FIELDS = block(AS_QUERY)
OPEN = headers(1, AS_QUERY)
HALF_CLOSED = headers(1, AS_QUERY) + data(1, LATER, ENDS)
DONE = post(1, QUERY)

# section: what is wrong → the frames behind the preface, and the errors that may be told
WRONG: dict[str, tuple[bytes, set[int]]] = {
    "4.2 DATA of more than 16,384 octets": (OPEN + raw(0, 0, 1, bytes(16_385)), {SIZE}),
    "4.2 HEADERS of more than 16,384 octets": (raw(1, 4, 1, bytes(16_385)), {SIZE}),
    "4.2 a frame that only says that it has more": (raw(4, 0, 0)[3:].rjust(9, b"\xff"), {SIZE}),
    "4.3 a header block that is none": (headers(1, b"\x40", ENDS), {COMPRESSION}),
    "4.3 PRIORITY within a header block": (raw(1, 0, 1, FIELDS) + raw(2, 0, 1, PRIORITY), {PROTOCOL}),
    "4.3 HEADERS of another stream within a header block": (raw(1, 0, 1, FIELDS) + headers(3, FIELDS), {PROTOCOL}),
    "5.1 DATA on an idle stream": (data(1, QUERY, ENDS), {PROTOCOL}),
    "5.1 RST_STREAM on an idle stream": (raw(3, 0, 1, bytes(4)), {PROTOCOL}),
    "5.1 WINDOW_UPDATE on an idle stream": (raw(8, 0, 1, b"\0\0\0\1"), {PROTOCOL}),
    "5.1 WINDOW_UPDATE on a stream that only the server opens": (DONE + raw(8, 0, 2, b"\0\0\0\1"), {PROTOCOL}),
    "5.1 CONTINUATION on an idle stream": (continued(1, FIELDS), {PROTOCOL}),
    "5.1 DATA on a half-closed stream": (HALF_CLOSED + data(1, QUERY, ENDS), {CLOSED}),
    "5.1 HEADERS on a half-closed stream": (HALF_CLOSED + headers(1, FIELDS, ENDS), {CLOSED}),
    "5.1 CONTINUATION on a half-closed stream": (HALF_CLOSED + continued(1, FIELDS), {PROTOCOL, CLOSED}),
    "5.1 DATA on a stream that was reset": (OPEN + raw(3, 0, 1, bytes(4)) + data(1, QUERY, ENDS), {CLOSED}),
    "5.1 HEADERS on a stream that was reset": (OPEN + raw(3, 0, 1, bytes(4)) + headers(1, FIELDS, ENDS), {CLOSED}),
    "5.1 CONTINUATION on a stream that was reset": (
        OPEN + raw(3, 0, 1, bytes(4)) + continued(1, FIELDS),
        {PROTOCOL, CLOSED},
    ),
    "5.1.1 a stream of an even number": (headers(2, FIELDS, ENDS), {PROTOCOL}),
    "5.1.1 a stream of a smaller number, never used": (post(5, QUERY) + headers(3, FIELDS, ENDS), {PROTOCOL}),
    "5.1.2 more streams than may be": (b"".join(headers(1 + 2 * n, FIELDS) for n in range(101)), {PROTOCOL, REFUSED}),
    "5.3.1 HEADERS of a stream that depends on itself": (raw(1, 0x25, 1, b"\0\0\0\1\x0f" + FIELDS), {PROTOCOL}),
    "5.3.1 PRIORITY of a stream that depends on itself": (raw(2, 0, 1, b"\0\0\0\1\x0f"), {PROTOCOL}),
    "5.5 an unknown frame within a header block": (raw(1, 0, 1, FIELDS) + raw(0xFF, 0, 1, b"x"), {PROTOCOL}),
    "6.1 DATA on stream 0": (raw(0, 0, 0, b"x"), {PROTOCOL}),
    "6.1 DATA that is all padding and more": (OPEN + raw(0, 9, 1, b"\x05" + QUERY[:3]), {PROTOCOL}),
    "6.1 DATA without room for its padding's length": (OPEN + raw(0, 9, 1), {PROTOCOL, SIZE}),
    "6.2 HEADERS on stream 0": (raw(1, 5, 0, FIELDS), {PROTOCOL}),
    "6.2 HEADERS that are all padding and more": (raw(1, 0xD, 1, b"\xff" + FIELDS), {PROTOCOL}),
    "6.2 HEADERS without room for a priority": (raw(1, 0x25, 1, b"\0\0\0"), {PROTOCOL, SIZE}),
    "6.3 PRIORITY on stream 0": (raw(2, 0, 0, PRIORITY), {PROTOCOL}),
    "6.3 PRIORITY of another size": (OPEN + raw(2, 0, 1, PRIORITY[:4]), {SIZE}),
    "6.4 RST_STREAM on stream 0": (raw(3, 0, 0, bytes(4)), {PROTOCOL}),
    "6.4 RST_STREAM of another size": (OPEN + raw(3, 0, 1, bytes(3)), {SIZE}),
    "6.5 SETTINGS that acknowledge with a payload": (raw(4, 1, 0, bytes(6)), {SIZE}),
    "6.5 SETTINGS on a stream": (raw(4, 0, 1, bytes(6)), {PROTOCOL}),
    "6.5 SETTINGS of another size": (raw(4, 0, 0, bytes(5)), {SIZE}),
    "6.5.2 ENABLE_PUSH that is neither 0 nor 1": (settings({2: 2}), {PROTOCOL}),
    "6.5.2 INITIAL_WINDOW_SIZE above the greatest": (settings({4: 2**31}), {FLOW_CONTROL}),
    "6.5.2 MAX_FRAME_SIZE below the least": (settings({5: 16_383}), {PROTOCOL}),
    "6.5.2 MAX_FRAME_SIZE above the greatest": (settings({5: 2**24}), {PROTOCOL}),
    "6.6 PUSH_PROMISE": (OPEN + raw(5, 4, 1, b"\0\0\0\2" + FIELDS), {PROTOCOL}),
    "6.7 PING on a stream": (raw(6, 0, 1, bytes(8)), {PROTOCOL}),
    "6.7 PING of another size": (raw(6, 0, 0, bytes(6)), {SIZE}),
    "6.8 GOAWAY on a stream": (raw(7, 0, 1, bytes(8)), {PROTOCOL}),
    "6.8 GOAWAY of another size": (raw(7, 0, 0, bytes(7)), {SIZE}),
    "6.9 WINDOW_UPDATE by 0 of the connection": (raw(8, 0, 0, bytes(4)), {PROTOCOL}),
    "6.9 WINDOW_UPDATE by 0 of a stream": (OPEN + raw(8, 0, 1, bytes(4)), {PROTOCOL}),
    "6.9 WINDOW_UPDATE of another size": (raw(8, 0, 0, bytes(3)), {SIZE}),
    "6.9.1 a window of the connection above the greatest": (raw(8, 0, 0, b"\x7f\xff\xff\xff") * 2, {FLOW_CONTROL}),
    "6.9.1 more DATA on streams than the connection's window": (
        b"".join(headers(n, FIELDS) + raw(0, 0, n, bytes(16_384)) * 3 for n in (1, 3, 5)),
        {FLOW_CONTROL},
    ),
    "6.9.2 INITIAL_WINDOW_SIZE that makes a window too large": (
        OPEN + raw(8, 0, 1, b"\x7f\xff\0\0") + settings({4: MOST}),
        {FLOW_CONTROL},
    ),
    "6.10 CONTINUATION behind a whole header block": (OPEN + continued(1, FIELDS), {PROTOCOL}),
    "6.10 CONTINUATION behind CONTINUATION that was the last": (
        raw(1, 0, 1, FIELDS) + continued(1, b"") + continued(1, FIELDS),
        {PROTOCOL},
    ),
    "6.10 CONTINUATION of another stream": (raw(1, 0, 1, FIELDS) + continued(3, b""), {PROTOCOL}),
    "6.10 CONTINUATION on stream 0": (raw(1, 0, 1, FIELDS) + continued(0, b""), {PROTOCOL}),
    "6.10 DATA within a header block": (raw(1, 0, 1, FIELDS) + data(1, QUERY), {PROTOCOL}),
    "8.1 fields behind a body that do not end it": (OPEN + data(1, QUERY) + headers(1, block({"x": "y"})), {PROTOCOL}),
    "8.1 pseudo-fields behind a body": (OPEN + data(1, QUERY) + headers(1, FIELDS, ENDS), {PROTOCOL}),
    "8.1.1 a body longer than it was to be": (whole(with_field("content-length", "1")), {PROTOCOL}),
    "8.1.1 a body in several frames longer than it was to be": (
        headers(1, with_field("content-length", "1")) + data(1, QUERY) + data(1, QUERY, ENDS),
        {PROTOCOL},
    ),
    "8.1.1 no body, though there was to be one": (headers(1, with_field("content-length", "5"), ENDS), {PROTOCOL}),
    "8.1.1 a length that is no number": (whole(with_field("content-length", "+19")), {PROTOCOL}),
    "8.1.1 two lengths": (whole([*with_field("content-length", "19"), ("content-length", "20")]), {PROTOCOL}),
    "8.2.1 a name in upper case": (whole(with_field("X-Test", "y")), {PROTOCOL}),
    "8.2.1 a name with a space": (whole(with_field("x y", "y")), {PROTOCOL}),
    "8.2.1 a name with a colon within": (whole(with_field("x:y", "y")), {PROTOCOL}),
    "8.2.1 a name of nothing": (whole(with_field("", "y")), {PROTOCOL}),
    "8.2.1 a name beyond ASCII": (whole(with_field("x\xe4", "y")), {PROTOCOL}),
    "8.2.1 a value with NUL": (whole(with_field("x", "a\0b")), {PROTOCOL}),
    "8.2.1 a value with CR": (whole(with_field("x", "a\rb")), {PROTOCOL}),
    "8.2.1 a value with LF": (whole(with_field("x", "a\nb")), {PROTOCOL}),
    "8.2.1 a value that begins with a space": (whole(with_field("x", " a")), {PROTOCOL}),
    "8.2.1 a value that ends with a tab": (whole(with_field("x", "a\t")), {PROTOCOL}),
    "8.2.2 a field of the connection": (whole(with_field("connection", "keep-alive")), {PROTOCOL}),
    "8.2.2 transfer-encoding": (whole(with_field("transfer-encoding", "chunked")), {PROTOCOL}),
    "8.2.2 TE of something but trailers": (whole(with_field("te", "trailers, deflate")), {PROTOCOL}),
    "8.3 an unknown pseudo-field": (whole({":test": "x", **AS_QUERY}), {PROTOCOL}),
    "8.3 a pseudo-field of responses": (whole({":status": "200", **AS_QUERY}), {PROTOCOL}),
    "8.3 a pseudo-field behind another field": (whole(with_field(":path", "/x")), {PROTOCOL}),
    "8.3.1 an empty path": (whole({**AS_QUERY, ":path": ""}), {PROTOCOL}),
    "8.3.1 no method": (whole(without(":method")), {PROTOCOL}),
    "8.3.1 no scheme": (whole(without(":scheme")), {PROTOCOL}),
    "8.3.1 no path": (whole(without(":path")), {PROTOCOL}),
    "8.3.1 no host at all": (whole(without(":authority")), {PROTOCOL}),
    "8.3.1 another host": (whole(with_field("host", "y")), {PROTOCOL}),
    "8.3.1 two methods": (whole([(":method", "POST"), *AS_QUERY.items()]), {PROTOCOL}),
    "8.3.1 two schemes": (whole([(":scheme", "https"), *AS_QUERY.items()]), {PROTOCOL}),
    "8.3.1 two paths": (whole([(":path", "/dns-query"), *AS_QUERY.items()]), {PROTOCOL}),
    "8.5 CONNECT with a path": (whole({**AS_QUERY, ":method": "CONNECT"}), {PROTOCOL}),
    "7541 2.3.3 an index beyond the tables": (headers(1, FIELDS + b"\xc6", ENDS), {COMPRESSION}),
    "7541 2.3.3 a name's index beyond the tables": (headers(1, FIELDS + b"\x7f\x07\x01x", ENDS), {COMPRESSION}),
    "7541 4.2 a table's size behind a field": (headers(1, FIELDS + b"\x3f\xe1\x1f", ENDS), {COMPRESSION}),
    "7541 5.2 more than seven bits of padding": (headers(1, FIELDS + b"\x00\x01x\x82\xff\xff", ENDS), {COMPRESSION}),
    "7541 5.2 padding of zeros": (headers(1, FIELDS + b"\x00\x01x\x81\x1e", ENDS), {COMPRESSION}),
    "7541 5.2 EOS in a string": (headers(1, FIELDS + b"\x00\x01x\x84\xff\xff\xff\xff", ENDS), {COMPRESSION}),
    "7541 6.1 index 0": (headers(1, FIELDS + b"\x80", ENDS), {COMPRESSION}),
    "7541 6.3 a table of more than was allowed": (headers(1, b"\x3f\xe2\x1f" + FIELDS, ENDS), {COMPRESSION}),
}


# section: what is right → the pieces that come one after the other
RIGHT: dict[str, list[bytes]] = {
    "3.4 a request": [DONE],
    "3.4 a request in pieces of an octet": [DONE[at : at + 1] for at in range(len(DONE))],
    "4.1 an unknown kind of frame": [raw(0x16, 0, 0, b"x" * 8), DONE],
    "4.1 flags that are not defined": [raw(6, 0x16, 0, bytes(8)), DONE],
    "4.1 the reserved bit": [raw(6, 0, 0, bytes(8))[:5] + b"\x80" + raw(6, 0, 0, bytes(8))[6:], DONE],
    "4.2 HEADERS of 16,384 octets": [headers(1, [*AS_QUERY.items(), ("x", "y" * 16_000)]) + data(1, QUERY, ENDS)],
    "5.1 PRIORITY on an idle stream": [raw(2, 0, 1, PRIORITY), DONE],
    "5.1 PRIORITY and WINDOW_UPDATE on a half-closed stream": [
        HALF_CLOSED + raw(2, 0, 1, PRIORITY) + raw(8, 0, 1, b"\0\0\0\1")
    ],
    "5.1 PRIORITY, WINDOW_UPDATE and RST_STREAM on a closed stream": [
        DONE,
        raw(2, 0, 1, PRIORITY) + raw(8, 0, 1, b"\0\0\0\1") + raw(3, 0, 1, bytes(4)),
    ],
    "5.5 an unknown frame on a stream": [OPEN + raw(0xFF, 0, 1, b"x") + data(1, QUERY, ENDS)],
    "6.1 DATA in several frames": [OPEN + data(1, QUERY[:5]) + data(1, b"") + data(1, QUERY[5:]) + data(1, b"", ENDS)],
    "6.1 DATA with padding": [OPEN + raw(0, 9, 1, b"\x03" + QUERY + bytes(3))],
    "6.2 HEADERS with padding": [raw(1, 0xC, 1, b"\x04" + FIELDS + bytes(4)) + data(1, QUERY, ENDS)],
    "6.2 HEADERS with a priority": [raw(1, 0x24, 1, PRIORITY + FIELDS) + data(1, QUERY, ENDS)],
    "6.2 HEADERS with both": [raw(1, 0x2C, 1, b"\x04" + PRIORITY + FIELDS + bytes(4)) + data(1, QUERY, ENDS)],
    "6.5 SETTINGS that are not known": [settings({0xFF: 1}), DONE],
    "6.10 CONTINUATION": [raw(1, 0, 1, FIELDS[:5]) + continued(1, FIELDS[5:9], b"", FIELDS[9:]) + data(1, QUERY, ENDS)],
    "7 unknown errors": [headers(1, AS_QUERY), raw(3, 0, 1, b"\0\0\0\xff"), post(3, QUERY)],
    "8.1 fields behind a body": [OPEN + data(1, QUERY) + headers(1, block({"x": "y"}), ENDS)],
    "8.1.1 the right length": [whole(with_field("content-length", "19"))],
    "8.1.1 the right length twice": [whole([*with_field("content-length", "19"), ("content-length", "19")])],
    "8.2.1 a value of nothing": [whole(with_field("x", ""))],
    "8.2.1 a value beyond ASCII": [whole(with_field("x", "\xe4 b"))],
    "8.2.2 TE of trailers": [whole(with_field("te", "trailers"))],
    "8.3.1 GET": [headers(1, GET, ENDS)],
    "8.3.1 host instead of authority": [whole({**without(":authority"), "host": "x"})],
    "8.3.1 host as well": [whole(with_field("host", "x"))],
    "7541 6.2.1 fields for the table, and those of it": [
        headers(1, hpack.Encoder().encode(list(AS_QUERY.items()))) + data(1, QUERY, ENDS),
        headers(3, b"\x83\x87\xc0\xbf\xbe") + data(3, QUERY, ENDS),
    ],
    "7541 6.3 several sizes of the table": [headers(1, b"\x20\x3f\xe1\x1f" + FIELDS) + data(1, QUERY, ENDS)],
}
