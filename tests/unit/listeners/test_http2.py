"""DoH over HTTP/2: requests on streams, and clients that send frames for their own sake."""

from __future__ import annotations

import base64
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from resolver.config.settings import Limits
from resolver.listeners.http2 import Http2
from tests.unit.listeners.doubles import ANSWER, QUERY, FakeLink

_DNS = base64.urlsafe_b64encode(QUERY).rstrip(b"=").decode()
_GET = [(":method", "GET"), (":scheme", "https"), (":authority", "dns.example"), (":path", f"/dns-query?dns={_DNS}")]
_POST = [
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "dns.example"),
    (":path", "/dns-query"),
    ("content-type", "application/dns-message"),
]
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS = Encoder().encode(_GET)


class Client:
    """An HTTP/2 client on a session."""

    def __init__(self, *, at_once: bool = True, window: int | None = None, **limits: Any) -> None:
        self.link = FakeLink(at_once=at_once)
        self.session = Http2(self.link, Limits(**limits))
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.statuses: dict[int, str] = {}
        self.bodies: dict[int, bytes] = {}
        self.resets: dict[int, int] = {}
        self.last_stream: int | None = None
        self.error: int | None = None
        if window is not None:
            self.http.local_settings = h2.settings.Settings(
                initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
            )
        self.http.initiate_connection()
        self.exchange()

    def exchange(self) -> None:
        """Send what is to be sent, and take what comes."""
        if data := self.http.data_to_send():
            self.session.received(data)
        self.take()

    def take(self) -> None:
        for event in self.http.receive_data(self.link.taken()):
            if isinstance(event, h2.events.ResponseReceived):
                self.statuses[event.stream_id] = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = event.error_code
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.last_stream, self.error = event.last_stream_id, event.error_code

    def get(self, headers: list[tuple[str, str]] = _GET) -> int:
        stream: int = self.http.get_next_available_stream_id()
        self.http.send_headers(stream, headers, end_stream=True)
        self.exchange()
        return stream

    def raw(self, *frames: Frame) -> None:
        """Send frames that a client of good faith would not."""
        self.session.received(b"".join(frame.serialize() for frame in frames))
        self.take()


def test_get_and_post_are_answered_on_one_connection() -> None:
    client = Client()
    first = client.get()
    second = client.http.get_next_available_stream_id()
    client.http.send_headers(second, _POST)
    client.http.send_data(second, QUERY[:10])
    client.exchange()
    assert client.link.partial_since is not None
    client.http.send_data(second, QUERY[10:], end_stream=True)
    client.exchange()
    assert client.link.partial_since is None
    assert client.statuses == {first: "200", second: "200"}
    assert client.bodies == {first: ANSWER, second: ANSWER}
    assert [query for query, _, _ in client.link.asked] == [QUERY, QUERY]


def test_answers_come_as_they_are_ready() -> None:
    client = Client(at_once=False)
    first, second = client.get(), client.get()
    client.link.waiting.reverse()
    client.link.land(client.session)
    client.take()
    assert set(client.bodies) == {second}
    client.link.land(client.session)
    client.take()
    assert set(client.bodies) == {first, second}


def test_more_requests_than_streams_come_one_after_the_other_on_a_connection() -> None:
    client = Client()
    for _ in range(1000):
        client.get()
    assert len(client.bodies) == 1000
    assert not client.link.is_closing


def test_a_refused_request_does_not_end_the_connection() -> None:
    client = Client()
    refused = client.get([*_GET[:3], (":path", "/other")])
    good = client.get()
    assert client.statuses == {refused: "404", good: "200"}


def test_a_body_beyond_a_message_is_refused() -> None:
    client = Client()
    stream = client.http.get_next_available_stream_id()
    client.http.send_headers(stream, _POST)
    for _ in range(5):
        client.http.send_data(stream, b"x" * 16_000)
        client.exchange()
    assert client.statuses == {stream: "413"}
    assert client.bodies[client.get()] == ANSWER


def test_a_body_without_end_is_not_taken_for_ever() -> None:
    client = Client()
    stream = client.http.get_next_available_stream_id()
    client.http.send_headers(stream, _POST)
    for _ in range(200):
        if client.error is None:
            client.http.send_data(stream, b"x" * 16_000)
            client.exchange()
    assert client.link.counted["http_body"] == 1
    assert client.link.is_closing


def test_a_client_that_opens_no_window_gets_its_answer_once_it_does() -> None:
    client = Client(window=0)
    stream = client.get()
    assert client.statuses == {stream: "200"}
    assert client.session.waiting_bytes == len(ANSWER)
    client.http.increment_flow_control_window(5, stream)
    client.exchange()
    assert client.bodies == {stream: ANSWER[:5]}
    client.http.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    client.exchange()
    assert client.bodies == {stream: ANSWER}
    assert client.session.waiting_bytes == 0


def test_what_a_client_leaves_without_a_window_is_bounded() -> None:
    client = Client(window=0, tcp_write_buffer_bytes=10 * len(ANSWER))
    for _ in range(12):
        if not client.link.is_closing:
            client.get()
    assert client.link.dropped == ["tcp_write_buffer_bytes"]


def test_a_client_that_takes_back_what_it_asks_is_sent_away() -> None:
    client = Client(at_once=False, http2_resets=20)
    for _ in range(20):
        client.http.reset_stream(client.get())
        client.exchange()
    assert not client.link.is_closing
    client.http.reset_stream(client.get())
    client.exchange()
    assert client.error == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
    assert client.link.counted["http2_resets"] == 1
    assert client.link.is_closing


def test_requests_that_are_taken_back_in_the_same_moment_are_not_even_asked() -> None:
    client = Client()
    stream = client.http.get_next_available_stream_id()
    client.http.send_headers(stream, _GET, end_stream=True)
    client.http.reset_stream(stream)
    client.exchange()
    assert client.link.asked == []
    assert client.bodies[client.get()] == ANSWER


def test_a_client_may_take_back_as_many_as_it_lets_finish() -> None:
    client = Client(http2_resets=5)
    for _ in range(50):
        stream = client.http.get_next_available_stream_id()
        client.http.send_headers(stream, _GET, end_stream=True)
        client.http.reset_stream(stream)
        client.exchange()
        client.get()
    assert not client.link.is_closing


def test_what_was_taken_back_counts_until_its_answer_is_there() -> None:
    client = Client(at_once=False, tcp_queries_per_connection=3)
    for _ in range(3):
        client.http.reset_stream(client.get())
    refused = client.get()
    assert client.resets == {refused: h2.errors.ErrorCodes.REFUSED_STREAM}
    assert client.link.counted["tcp_queries_per_connection"] == 1
    client.link.land(client.session)
    client.get()
    assert len(client.link.waiting) == 3


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(0, opaque_data=b"12345678"),
        SettingsFrame(0),
        PriorityFrame(1, depends_on=3),
        WindowUpdateFrame(0, window_increment=1),
        DataFrame(1),
    ],
)
def test_a_flood_of_frames_that_ask_for_nothing_ends_the_connection(frame: Frame) -> None:
    client = Client(http2_control_frames=50)
    stream = client.http.get_next_available_stream_id()
    client.http.send_headers(stream, _POST)
    client.exchange()
    for _ in range(6):
        if not client.link.is_closing:
            client.raw(*[frame] * 10)
    assert client.error == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
    assert client.link.counted["http2_control_frames"] == 1


def test_headers_that_never_end_end_the_connection() -> None:
    client = Client(http_header_bytes=4096)
    client.raw(HeadersFrame(1, data=_HEADERS))
    for _ in range(40):
        if not client.link.is_closing:
            client.raw(ContinuationFrame(1, data=b"x" * 200))
    assert client.error == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
    assert client.link.counted["http_header_bytes"] == 1


def test_headers_that_unfold_beyond_the_bound_end_the_connection() -> None:
    client = Client(http_header_bytes=4096)
    bomb = Encoder().encode([*_GET, ("x", "y" * 1500), *[("x", "y" * 1500)] * 5])
    assert len(bomb) < 4096
    client.raw(HeadersFrame(1, data=bomb, flags=["END_HEADERS", "END_STREAM"]))
    assert client.link.counted["http_header_bytes"] == 1
    assert client.link.is_closing


def test_more_streams_at_once_than_allowed_end_the_connection() -> None:
    client = Client(at_once=False, http2_streams=10)
    encoder = Encoder()
    frames = [
        HeadersFrame(2 * n + 1, data=encoder.encode(_GET), flags=["END_HEADERS", "END_STREAM"]) for n in range(11)
    ]
    client.raw(*frames)
    assert client.link.is_closing


def test_a_request_that_does_not_come_to_its_end_is_given_up_and_the_others_go_on() -> None:
    client = Client()
    stream = client.http.get_next_available_stream_id()
    client.http.send_headers(stream, _POST)
    client.exchange()
    client.link.time += 5
    good = client.get()
    client.session.overdue(client.link.time)
    client.take()
    assert client.resets == {stream: h2.errors.ErrorCodes.CANCEL}
    assert client.bodies == {good: ANSWER}
    assert client.link.partial_since is None
    assert not client.link.is_closing


def test_a_frame_that_does_not_come_to_its_end_ends_the_connection() -> None:
    client = Client()
    client.session.received(HeadersFrame(1, data=_HEADERS).serialize()[:-1])
    assert client.link.partial_since == client.link.time
    client.session.overdue(client.link.time + 5)
    assert client.link.is_closing


def test_a_worker_that_stops_says_which_request_was_its_last_and_answers_it() -> None:
    client = Client(at_once=False)
    first = client.get()
    client.session.finish()
    client.take()
    assert (client.last_stream, client.error) == (first, 0)
    assert not client.link.is_closing
    late = HeadersFrame(first + 2, data=_HEADERS, flags=["END_HEADERS", "END_STREAM"])
    client.session.received(late.serialize())
    refused = RstStreamFrame(first + 2, error_code=h2.errors.ErrorCodes.REFUSED_STREAM)
    assert client.link.taken() == refused.serialize()
    assert len(client.link.asked) == 1
    client.link.land(client.session)
    assert ANSWER in client.link.taken()
    assert client.link.is_closing


@given(st.lists(st.binary(max_size=100), max_size=6))
def test_no_octets_raise_an_error(pieces: list[bytes]) -> None:
    for start in (b"", _PREFACE, _PREFACE + SettingsFrame(0).serialize()):
        link = FakeLink()
        session = Http2(link, Limits())
        for piece in (start, *pieces):
            if not link.is_closing:
                session.received(piece)
        session.ended()


_FRAMES = st.builds(
    lambda kind, flags, stream, body: (
        len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body
    ),
    st.integers(0, 11),
    st.integers(0, 255),
    st.integers(0, 9),
    st.one_of(st.binary(max_size=40), st.just(_HEADERS), st.just(b"\0\0\0\x08"), st.just(b"12345678")),
)


@given(st.lists(_FRAMES, max_size=12), st.booleans())
def test_no_frames_raise_an_error(frames: list[bytes], at_once: bool) -> None:
    link = FakeLink(at_once=at_once)
    session = Http2(link, Limits())
    session.received(_PREFACE + SettingsFrame(0).serialize())
    for frame in frames:
        if not link.is_closing:
            session.received(frame)
        if link.waiting and not link.is_closing:
            link.land(session)
    session.finish()


@given(
    st.lists(st.sampled_from(["get", "post", "reset", "window", "data", "end", "land", "settings"]), max_size=25),
    st.booleans(),
)
def test_no_order_of_requests_and_resets_raises_an_error(steps: list[str], at_once: bool) -> None:
    link = FakeLink(at_once=at_once)
    session = Http2(link, Limits())
    encoder = Encoder()
    out = _PREFACE + SettingsFrame(0).serialize()
    stream = -1
    for step in steps:
        if step == "get":
            stream += 2
            out += HeadersFrame(stream, data=encoder.encode(_GET), flags=["END_HEADERS", "END_STREAM"]).serialize()
        elif step == "post":
            stream += 2
            out += HeadersFrame(stream, data=encoder.encode(_POST), flags=["END_HEADERS"]).serialize()
        elif step == "reset":
            out += RstStreamFrame(max(stream, 1), error_code=8).serialize()
        elif step == "window":
            out += WindowUpdateFrame(max(stream, 1), window_increment=7).serialize()
        elif step in ("data", "end"):
            flags = ["END_STREAM"] if step == "end" else []
            out += DataFrame(max(stream, 1), data=QUERY, flags=flags).serialize()
        elif step == "settings":
            out += SettingsFrame(0, settings={4: 0}).serialize()
        elif not link.is_closing:
            session.received(out)
            out = b""
            while link.waiting and not link.is_closing:
                link.land(session)
    if not link.is_closing:
        session.received(out)
        session.ended()
