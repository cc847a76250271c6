"""HTTP/2 as a server of DoH speaks it (RFC 9113): octets in, requests out; responses in, octets out. No I/O.

No push, no priorities, no CONNECT, no use of the table for what we write. Each error ends the connection, but for a
stream's window that is opened too far: that resets the stream, as if the client had. What a client may have open is
bounded by our settings; what of bodies is on its way, by the connection's window, which is opened again only when a
request is whole; what it sends besides, by `FrameBudget`.
"""

from __future__ import annotations

from typing import Final

from resolver.listeners import http2_frames as frames
from resolver.listeners.doh import MOST_HEADER_BYTES, MOST_TARGET, HttpResponse, Refused
from resolver.listeners.http2_budget import FrameBudget, flood
from resolver.listeners.http2_fields import LENGTH_UNSAID
from resolver.listeners.http2_frames import Http2Violation
from resolver.listeners.http2_hpack import HeaderBlocks
from resolver.listeners.http2_sending import Http2Sender
from resolver.listeners.http2_streams import Http2Stream, Http2Streams
from resolver.wire.codes import MAX_MESSAGE

_MOST_HEAD_BYTES: Final = 96 << 10  # of a request that is read at all, so that a GET of any query is told: too long
_MOST_PIECES: Final = 1_000  # of a body, as over HTTP/1.1
_STREAM_WINDOW: Final = MAX_MESSAGE + 1  # so that one octet too many can be seen
_WINDOW: Final = frames.FIRST_WINDOW + MAX_MESSAGE  # of the connection
_OWED: Final = _WINDOW // 4  # octets that it is opened by at a time
_PREFACE_OCTETS: Final = len(frames.PREFACE)


class Http2Server:
    """The server's end of a connection."""

    def __init__(self, *, streams: int, resets: int) -> None:
        """`streams` that may be open at once, `resets` of them before a request is answered."""
        self.is_closing = False  # while a client waits for its answers, it begins nothing new
        self._most_streams = streams
        self._budget = FrameBudget(resets=resets, header_bytes=_MOST_HEAD_BYTES)
        self._blocks = HeaderBlocks(_MOST_HEAD_BYTES)
        self._streams = Http2Streams()
        self.sender = Http2Sender(self._streams)
        self._rest = b""  # of a frame, or of the preface, as far as it has come
        self._has_begun = False  # the preface is here
        self._is_set = False  # the client's first settings are, too
        self._block: list[bytes] = []  # of a header block that is not complete
        self._block_stream = 0  # whose it is; 0: none
        self._block_flags = 0
        self._ready: list[Http2Stream] = []
        self._our_window = _WINDOW
        self._owed = 0  # octets of whole requests, by which it is not opened yet
        settings = {
            frames.MAX_CONCURRENT_STREAMS: streams,
            frames.MAX_HEADER_LIST_SIZE: MOST_TARGET + MOST_HEADER_BYTES,
            frames.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
        }
        self.sender.write(frames.settings_frame(settings))
        self.sender.write(frames.number_frame(frames.WINDOW_UPDATE, 0, MAX_MESSAGE))

    def respond(self, stream: Http2Stream, response: HttpResponse) -> None:
        """Answer a request, unless the client took it back."""
        if not stream.is_over:
            self._budget.answered()
            self.sender.respond(stream, response)

    def begin_nothing(self) -> None:
        """Write the last GOAWAY (section 6.8); requests that are not whole by now may be made elsewhere."""
        for stream in [one for one in self._streams.open.values() if not one.is_whole]:
            self._take_back(stream)
            self._reset(stream.stream_id, frames.REFUSED_STREAM, ends=False)
        self.sender.goodbye(frames.NO_ERROR)

    def forget(self) -> None:
        """Let go of all streams: there is nobody to answer any more."""
        self.sender.end_all()
        self._ready.clear()

    # From the client

    def take(self, data: bytes) -> list[Http2Stream]:
        """The requests that are whole with this, but for those that were taken back by the end of it.

        Raises Http2Violation: the connection is to end.
        """
        if self._rest:
            data = self._rest + data
        size, at = len(data), 0
        if not self._has_begun:
            if not frames.PREFACE.startswith(data[:_PREFACE_OCTETS]):
                raise Http2Violation(frames.PROTOCOL_ERROR)
            if size < _PREFACE_OCTETS:
                self._rest = data
                return []
            self._has_begun = True
            at = _PREFACE_OCTETS
        while size - at >= frames.HEAD:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if length > frames.MOST_PAYLOAD:
                raise Http2Violation(frames.FRAME_SIZE_ERROR)
            start = at + frames.HEAD
            end = start + length
            if end > size:
                break
            stream_id = (data[at + 5] & 0x7F) << 24 | data[at + 6] << 16 | data[at + 7] << 8 | data[at + 8]
            self._frame(data[at + 3], data[at + 4], stream_id, data[start:end])
            at = end
        self._rest = data[at:]
        ready = self._ready
        if ready:
            self._ready = []
        return ready

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block_stream and (kind != frames.CONTINUATION or stream_id != self._block_stream):
            raise Http2Violation(frames.PROTOCOL_ERROR)
        if not self._is_set:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise Http2Violation(frames.PROTOCOL_ERROR)
            self._is_set = True
        if kind == frames.HEADERS:
            self._on_headers(flags, stream_id, payload)
        elif kind == frames.DATA:
            self._on_data(flags, stream_id, payload)
        elif kind == frames.CONTINUATION:
            self._on_continuation(flags, payload)
        elif kind == frames.RST_STREAM:
            self._budget.reset()
            self._on_reset(stream_id, payload)
        else:
            self._budget.control()
            self._on_control(kind, flags, stream_id, payload)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id:
            raise Http2Violation(frames.PROTOCOL_ERROR)
        fragment = frames.unpadded(payload, flags)
        if flags & frames.WITH_PRIORITY:
            frames.check_priority(stream_id, fragment[:5])
            fragment = fragment[5:]
        is_last = bool(flags & frames.END_HEADERS)
        self._budget.piece(len(payload), is_last=is_last)
        if is_last:
            self._on_block(stream_id, fragment, ends=bool(flags & frames.END_STREAM))
            return
        self._block.append(fragment)
        self._block_stream, self._block_flags = stream_id, flags

    def _on_continuation(self, flags: int, payload: bytes) -> None:
        if not self._block_stream:
            raise Http2Violation(frames.PROTOCOL_ERROR)
        is_last = bool(flags & frames.END_HEADERS)
        self._budget.piece(len(payload), is_last=is_last)
        self._block.append(payload)
        if is_last:
            block, stream_id = b"".join(self._block), self._block_stream
            self._block.clear()
            self._block_stream = 0
            self._on_block(stream_id, block, ends=bool(self._block_flags & frames.END_STREAM))

    def _on_block(self, stream_id: int, block: bytes, *, ends: bool) -> None:
        streams = self._streams
        if stream_id <= streams.last and self._is_of_known_stream(stream_id, block, ends=ends):
            return
        streams.begin(stream_id)
        if len(streams.open) >= self._most_streams:
            raise Http2Violation(frames.REFUSED_STREAM, "http_streams_per_connection")
        known = self._blocks.request(block)
        if self.sender.has_said_goodbye or (self.is_closing and self._is_waited_for()):
            self._budget.control()
            self._reset(stream_id, frames.REFUSED_STREAM, ends=ends)  # it may ask elsewhere
            return
        stream = Http2Stream(stream_id, known.head, known.path, self.sender.stream_window)
        streams.open[stream_id] = stream
        if ends:
            self._whole(stream)

    def _is_of_known_stream(self, stream_id: int, block: bytes, *, ends: bool) -> bool:
        """Whether these are fields behind a body, now or of one that nobody wants."""
        stream = self._streams.open.get(stream_id)
        if stream is None or stream.is_whole:
            if stream is not None or not self._streams.may_still_send(stream_id, is_last=ends):
                return False
            self._budget.control()
            self._blocks.skip(block)
            return True
        self._blocks.trailers(block)
        if not ends:
            raise Http2Violation(frames.PROTOCOL_ERROR)
        self._whole(stream)
        return True

    def _is_waited_for(self) -> bool:
        """Whether there are requests that were handed out, and are not answered to their end."""
        return sum([stream.is_whole for stream in self._streams.open.values()]) > len(self._ready)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        octets = len(payload)
        ends = bool(flags & frames.END_STREAM)
        self._our_window -= octets
        if self._our_window < 0:
            raise Http2Violation(frames.FLOW_CONTROL_ERROR)
        data = frames.unpadded(payload, flags)
        if not data and not ends:
            self._budget.control()
        stream = self._streams.open.get(stream_id)
        if stream is None or stream.is_whole:
            self._streams.check_begun(stream_id)
            if not self._streams.may_still_send(stream_id, is_last=ends):
                raise Http2Violation(frames.STREAM_CLOSED)
            self._budget.control()
            self._give_back(octets)
            return
        stream.octets += octets
        if stream.octets > _STREAM_WINDOW:
            raise Http2Violation(frames.FLOW_CONTROL_ERROR)
        if data:
            stream.pieces.append(data)
            stream.body_octets += len(data)
            if len(stream.pieces) > _MOST_PIECES:
                raise flood()
        if stream.body_octets > MAX_MESSAGE:
            self._refuse_body(stream, ends=ends)
        elif ends:
            self._whole(stream)

    def _refuse_body(self, stream: Http2Stream, *, ends: bool) -> None:
        self._release(stream)
        stream.pieces.clear()
        stream.is_whole = True
        self.respond(stream, Refused(413, f"a query has at most {MAX_MESSAGE} octets").response)
        if not ends:
            self.sender.end(stream)
            self._reset(stream.stream_id, frames.NO_ERROR, ends=False)  # no need to send the rest

    def _reset(self, stream_id: int, code: int, *, ends: bool) -> None:
        """Take no more of a stream, though the client may send on; `ends`: that it does not."""
        self.sender.write(frames.number_frame(frames.RST_STREAM, stream_id, code))
        if not ends:
            self._streams.end_by_us(stream_id)

    def _release(self, stream: Http2Stream) -> None:
        self._give_back(stream.octets)
        stream.octets = 0

    def _give_back(self, octets: int) -> None:
        """Open the connection's window, a good part of it at a time."""
        self._owed += octets
        if self._owed and (self._owed >= _OWED or self._our_window < _STREAM_WINDOW):
            self.sender.write(frames.number_frame(frames.WINDOW_UPDATE, 0, self._owed))
            self._our_window += self._owed
            self._owed = 0

    def _whole(self, stream: Http2Stream) -> None:
        """A request is here to its end (section 8.1.1: as long as it says)."""
        stream.is_whole = True
        length = stream.head.length
        if length not in (LENGTH_UNSAID, stream.body_octets):
            raise Http2Violation(frames.PROTOCOL_ERROR)
        if stream.octets:
            self._release(stream)
        self._ready.append(stream)

    def _on_reset(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Http2Violation(frames.FRAME_SIZE_ERROR)
        self._streams.check_begun(stream_id)
        stream = self._streams.open.get(stream_id)
        if stream is not None:
            self._take_back(stream)

    def _take_back(self, stream: Http2Stream) -> None:
        self._release(stream)
        self.sender.end(stream)
        if stream in self._ready:
            self._ready.remove(stream)  # it is not begun

    def _on_control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == frames.WINDOW_UPDATE:
            opened_too_far = self.sender.on_window(stream_id, payload)
            if opened_too_far is not None:  # section 6.9.1
                self._budget.reset()  # the client's doing (CVE-2025-8671)
                self._take_back(opened_too_far)
                self._reset(stream_id, frames.FLOW_CONTROL_ERROR, ends=opened_too_far.is_whole)
        elif kind == frames.SETTINGS:
            is_ack = bool(flags & frames.ACK)
            frames.check_of_connection(stream_id, is_right_size=not is_ack or not payload)
            if not is_ack:
                self.sender.on_settings(payload)
        elif kind == frames.PING:
            frames.check_of_connection(stream_id, is_right_size=len(payload) == 8)
            if not flags & frames.ACK:
                self.sender.write(frames.frame_of(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.PRIORITY:
            if not stream_id:
                raise Http2Violation(frames.PROTOCOL_ERROR)
            frames.check_priority(stream_id, payload)
        elif kind == frames.GOAWAY:
            frames.check_of_connection(stream_id, is_right_size=len(payload) >= 8)
            self.is_closing = True
        elif kind == frames.PUSH_PROMISE:
            raise Http2Violation(frames.PROTOCOL_ERROR)
