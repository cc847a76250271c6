"""RFC 9113 and RFC 7541, section by section: what a client must not say, and how a server takes what it may."""

from __future__ import annotations

from collections.abc import Iterator

import hyperframe.frame as frames
import pytest

from resolver.listeners.doh import HttpResponse
from resolver.listeners.http2_frames import Http2Violation
from resolver.listeners.http2_server import Http2Server
from tests.support.http2_conversation import RESETS, hear
from tests.support.http2_frames import AS_QUERY, HELLO, PREFACE, Told, block, data, headers, post, raw, settings, told

from .http2_sections import (
    DONE,
    ENDS,
    FIELDS,
    FLOW_CONTROL,
    GET,
    HALF_CLOSED,
    LATER,
    MOST,
    NO_ERROR,
    OPEN,
    PROTOCOL,
    QUERY,
    REFUSED,
    RIGHT,
    WRONG,
)

OPEN_5 = headers(5, AS_QUERY)  # its body is to come
TOO_FAR = raw(8, 0, 1, b"\x7f\xff\xff\xff")  # what its window is opened by
CALM = 0xB


def say(*pieces: bytes) -> Told:
    """Words to a client that says all this behind its preface, and goes."""
    return hear([HELLO, *pieces]).told


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_ends_the_connection_and_says_why(what: str) -> None:
    octets, codes = WRONG[what]
    bound = "http_streams_per_connection" if "more streams" in what else "http_malformed"
    outcome = hear([HELLO, octets])
    assert outcome.told.goodbye in codes
    assert outcome.bound == bound


@pytest.mark.parametrize(
    "octets",
    [b"INVALID CONNECTION PREFACE\r\n\r\n", b"GET / HTTP/1.1\r\n", PREFACE + DONE, PREFACE + raw(4, 1, 0)],
    ids=["3.4 another preface", "3.4 HTTP/1.1", "3.4 no settings", "3.4 settings that acknowledge"],
)
def test_a_connection_begins_with_its_preface(octets: bytes) -> None:
    answer = hear([octets]).told
    assert answer.goodbye == PROTOCOL
    assert not answer.statuses


def test_the_server_says_its_bounds_first() -> None:  # sections 3.4, 6.5.2
    answer = hear([]).told
    assert answer.settings == [{3: 100, 4: 65_536, 6: 32_684}]
    assert answer.opened == 65_535


@pytest.mark.parametrize("what", RIGHT)
def test_what_is_right_is_answered(what: str) -> None:
    answer = say(*RIGHT[what])
    assert answer.goodbye == NO_ERROR
    assert answer.bodies
    assert set(answer.statuses.values()) == {"200"}
    assert all(body in (QUERY, LATER) for body in answer.bodies.values())
    assert answer.whole == set(answer.bodies)


def test_settings_and_pings_are_acknowledged() -> None:  # sections 6.5.3, 6.7
    answer = say(settings({4: 100, 5: 20_000}) + raw(6, 0, 0, b"12345678") + raw(6, 1, 0, b"87654321"))
    assert answer.acknowledged == 2
    assert answer.pongs == [b"12345678"]


def test_of_a_setting_said_twice_the_last_counts() -> None:  # section 6.5.3
    twice = raw(4, 0, 0, b"\0\4\0\0\0\0" + b"\0\4\0\0\0\7")
    assert say(twice, DONE).sizes == [7]


def test_frames_are_no_larger_than_the_client_takes() -> None:  # section 4.2
    long = QUERY + bytes(40_000)
    assert say(post(1, long)).sizes == [16_384, 16_384, len(long) - 32_768]
    assert say(settings({5: 30_000}), post(1, long)).sizes == [30_000, len(long) - 30_000]


def test_a_body_waits_for_the_window_of_its_stream() -> None:  # section 6.9.2
    first = [settings({4: 3}), DONE]
    assert say(*first).bodies == {1: QUERY[:3]}
    assert say(*first, raw(8, 0, 1, b"\0\0\0\5")).sizes == [3, 5]
    assert say(*first, settings({4: 4})).sizes == [3, 1]
    # The window is below nothing then, and it takes as much to open it.
    smaller = [*first, settings({4: 0}), raw(8, 0, 1, b"\0\0\0\3")]
    assert say(*smaller).sizes == [3]
    answer = say(*smaller, raw(8, 0, 1, b"\0\0\0\2"), settings({4: 1_000}))
    assert answer.sizes == [3, 2, len(QUERY) - 5]
    assert answer.whole == {1}


def test_bodies_wait_for_the_window_of_the_connection() -> None:  # section 6.9.1
    long = QUERY + bytes(60_000)
    wide = settings({4: MOST})
    answer = say(wide, post(1, long), post(3, long))
    assert (len(answer.bodies[1]), len(answer.bodies[3])) == (len(long), 65_535 - len(long))
    answer = say(wide, post(1, long), post(3, long), raw(8, 0, 0, (100_000).to_bytes(4, "big")))
    assert answer.bodies == {1: long, 3: long}


def test_a_window_is_opened_by_what_whole_requests_took() -> None:  # section 6.9.1
    long = QUERY + bytes(40_000)
    pieces = [post(number, long) for number in range(1, 41, 2)]
    assert say(*pieces).opened == 65_535 + 20 * len(long)


def test_what_is_on_its_way_to_a_request_that_was_refused_is_no_error() -> None:  # section 5.1
    answer = say(OPEN, *[data(1, bytes(16_384))] * 4, data(1, b"", ENDS), post(3, QUERY))
    assert (answer.statuses[1], answer.resets) == ("413", {1: NO_ERROR})
    assert answer.bodies[3] == QUERY
    assert answer.opened == 65_535 + 65_536 + 0
    answer = say(OPEN, *[data(1, bytes(16_384))] * 4, headers(1, block({"x": "y"}), ENDS), post(3, QUERY))
    assert answer.bodies[3] == QUERY


@pytest.mark.parametrize(
    "pieces",
    [
        [OPEN + TOO_FAR + data(1, QUERY, ENDS), post(3, QUERY)],
        [HALF_CLOSED + TOO_FAR + post(3, QUERY)],
        [HALF_CLOSED + post(3, LATER), TOO_FAR],  # 3 is answered behind the first
    ],
    ids=["its body is on its way", "it is whole", "it is being answered"],
)
def test_a_stream_whose_window_is_opened_too_far_is_reset_alone(pieces: list[bytes]) -> None:  # section 6.9.1
    answer = say(*pieces)
    assert answer.resets == {1: FLOW_CONTROL}
    assert answer.statuses == {3: "200"}
    assert answer.goodbye == NO_ERROR


def test_windows_that_are_opened_too_far_count_as_requests_taken_back() -> None:  # CVE-2025-8671
    pieces = [headers(number, FIELDS) + raw(8, 0, number, b"\x7f\xff\xff\xff") for number in range(1, 205, 2)]
    outcome = hear([HELLO, *pieces])
    assert len(outcome.told.resets) == RESETS
    assert (outcome.told.goodbye, outcome.bound) == (CALM, "http_resets_per_connection")


def test_that_a_body_is_too_long_is_told_once_the_window_lets_it_through() -> None:  # section 6.9
    shut, opened = settings({4: 0}), raw(8, 0, 1, (1_000).to_bytes(4, "big"))
    answer = say(shut, post(1, bytes(65_536)), opened, post(3, QUERY))
    assert (answer.statuses[1], answer.whole) == ("413", {1})
    assert answer.bodies[1]


def test_data_without_end_for_a_request_that_was_refused_is_a_flood() -> None:
    outcome = hear([HELLO, OPEN, *[data(1, bytes(16_384))] * 4, *[data(1, b"x")] * 600])
    assert (outcome.told.goodbye, outcome.bound) == (CALM, "http_flood")


def test_what_waits_for_windows_is_counted_in_octets() -> None:
    server = Http2Server(streams=100, resets=100)
    hear([HELLO, settings({4: 3}), *[post(number, QUERY) for number in range(1, 11, 2)]], server=server)
    assert (server.sender.unsent, server.sender.unsent_octets) == (5, 5 * (len(QUERY) - 3))
    server.take(raw(8, 0, 1, b"\0\0\0\2") + raw(3, 0, 3, bytes(4)))
    assert server.sender.unsent_octets == 4 * (len(QUERY) - 3) - 2
    server.take(settings({4: 1_000}))
    assert (server.sender.unsent, server.sender.unsent_octets) == (0, 0)


def test_a_client_that_says_goodbye_is_answered_and_told_the_last_stream() -> None:  # section 6.8
    answer = say(HALF_CLOSED + raw(7, 0, 0, bytes(8)))
    assert answer.bodies == {1: LATER}
    assert (answer.goodbye, answer.last_stream) == (NO_ERROR, 1)


def test_a_new_request_behind_the_goodbye_may_ask_elsewhere() -> None:  # section 8.7
    waiting = post(1, LATER) + post(3, LATER)  # one of them is answered behind each piece
    answer = say(waiting, raw(7, 0, 0, bytes(8)) + post(5, QUERY))
    assert answer.bodies == {1: LATER, 3: LATER}
    assert answer.resets == {5: REFUSED}
    assert answer.goodbye == NO_ERROR


def test_a_client_is_told_of_the_end_before_it_comes_and_of_the_last_request_then() -> None:  # section 6.8
    server = Http2Server(streams=100, resets=100)
    [first] = server.take(HELLO + post(1, QUERY))
    server.sender.announce_end()
    [late] = server.take(post(3, QUERY) + OPEN_5)
    server.begin_nothing()
    refused = server.take(post(7, QUERY))
    for request in (first, late):
        server.respond(request, HttpResponse(200, request.body()))
    server.sender.goodbye(NO_ERROR)  # it is said
    with pytest.raises(Http2Violation):
        server.take(raw(0, 0, 0))
    server.sender.goodbye(PROTOCOL)
    answer = told(b"".join(server.sender.to_send()))
    assert answer.goodbyes == [2**31 - 1, 5, 5]  # it never grows
    assert answer.bodies == {1: QUERY, 3: QUERY}
    assert answer.resets == {5: REFUSED, 7: REFUSED}
    assert not refused


def test_a_response_needs_no_table_of_the_client() -> None:  # RFC 7541 section 4.2
    outcome = hear([HELLO, settings({1: 0}), DONE, post(3, QUERY), headers(5, GET, ENDS)])
    answer = outcome.told  # by a decoder that would fail
    assert answer.fields[1] == answer.fields[3] == answer.fields[5]
    assert answer.fields[1] == {
        "content-type": "application/dns-message",
        "cache-control": "no-store",
        "content-length": str(len(QUERY)),
    }
    frame = next(frame for frame in all_frames(outcome.sent) if isinstance(frame, frames.HeadersFrame))
    assert frame.data[0] == 0x20


def all_frames(octets: bytes) -> Iterator[frames.Frame]:
    rest = memoryview(octets)
    while rest:
        frame, length = frames.Frame.parse_frame_header(rest[:9])
        frame.parse_body(rest[9 : 9 + length])
        yield frame
        rest = rest[9 + length :]
