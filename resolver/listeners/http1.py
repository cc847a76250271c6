"""HTTP/1.1 of a connection, by h11: one request after the other."""

from __future__ import annotations

import h11

from resolver.listeners.application import Application
from resolver.listeners.connection import ClientConnection
from resolver.listeners.doh import (
    MOST_HEADER_BYTES,
    MOST_TARGET,
    HttpExchange,
    HttpResponse,
    Refused,
    RequestHead,
    gathered,
)
from resolver.wire.codes import MAX_MESSAGE

_MOST_HEAD_BYTES = MOST_TARGET + MOST_HEADER_BYTES
_MOST_PIECES = 1_000  # of a body: chunks of an octet each would hold up others for longer than the body is worth
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
            413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
            431: "Request Header Fields Too Large"}  # fmt: skip


class Http1(Application):
    """HTTP/1.1 on a connection, where the client does not offer HTTP/2."""

    def __init__(self, connection: ClientConnection, exchange: HttpExchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD_BYTES)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._pieces = 0  # that it came in
        self._is_whole = False  # a request is here that waits for its turn
        self._waits = False  # for the answer to the last request
        self._is_in_turn = False
        self._has_turn_to_come = False
        self._is_paused = False  # reading is: what a client sends on is kept for it by the network
        self._is_over = False

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""
        return self._waits or self._is_whole

    def received(self, data: bytes) -> None:
        """Take in what the client says."""
        if not self._is_over:
            self._go_on_safely(data)

    def ended(self) -> None:
        """Answer what is in flight, and close."""
        if not self._is_over:
            self._http.receive_data(b"")  # which says so, behind the requests that are here already
            if not self._waits:
                self._go_on_safely()

    def finish(self) -> None:
        """Close as soon as nothing is awaited."""
        self.is_finishing = True
        if not self.is_busy:
            self._connection.close()

    def lost(self) -> None:
        """There is nobody to answer any more."""
        self._is_over = True

    def abort(self) -> None:
        """End the connection at once."""
        self._connection.abort()

    def take_turn(self, most: int) -> bool:
        """Answer up to `most` of the requests that were read. True: there is another that can be answered."""
        turns = self._connection.listener.turns
        self._is_in_turn = True
        try:
            while most > 0 and self._is_whole and not self._is_over:
                most -= 1
                turns.took()
                self._is_whole = False
                self._answer()
        finally:
            self._is_in_turn = False
        self._has_turn_to_come = self._is_whole and not self._is_over and self._connection.is_open
        self._read_or_not()
        return self._has_turn_to_come

    def _go_on_safely(self, data: bytes = b"") -> None:
        try:
            if data:  # no octets would mean the end of it all
                self._http.receive_data(data)
            self._go_on()
        except h11.RemoteProtocolError as error:
            self._connection.listener.counters.dropped["http_malformed"] += 1
            self._is_over = True
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                status = error.error_status_hint if error.error_status_hint in _REASONS else 400
                if status == 431 and len(self._http.trailing_data[0].partition(b"\r\n")[0]) > MOST_TARGET:
                    status = 414
                self._respond(Refused(status, "this is not a supported request").response, last=True)
            self._connection.close_later()
        if self._is_in_turn:
            return
        if self._is_whole and not self._has_turn_to_come:
            self._has_turn_to_come = self._connection.listener.turns.ask(self, self._connection.client)
        self._read_or_not()

    def _read_or_not(self) -> None:
        """Read on unless a request is here that is not answered yet."""
        if self.is_busy == self._is_paused:
            return
        self._is_paused = self.is_busy
        if self._is_paused:
            self._connection.pause()
        else:
            self._connection.resume()

    def _go_on(self) -> None:
        """Take the client's words one by one, up to a whole request."""
        while not self._waits and not self._is_whole and not self._is_over:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    goes_on = h11.InformationalResponse(status_code=100, headers=[])
                    self._connection.send(self._http.send(goes_on) or b"")
                return
            if event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._request = event
                self._body.clear()
                self._pieces = 0
            elif isinstance(event, h11.Data):
                self._body += event.data
                self._pieces += 1
                if len(self._body) > MAX_MESSAGE or self._pieces > _MOST_PIECES:
                    self._is_over = True
                    refused = Refused(413, f"a query has at most {MAX_MESSAGE} octets")
                    self._respond(refused.response, last=True)
                    self._connection.close_later()
            elif isinstance(event, h11.EndOfMessage):
                self._is_whole = True
            elif isinstance(event, h11.ConnectionClosed):
                self._is_over = True
                self._connection.close()

    def _answer(self) -> None:
        head = self._request
        if head is None:
            return
        headers = gathered((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
        self._waits = True
        self._connection.active()
        target = head.target.decode("latin-1")
        answer = self._exchange.answer(RequestHead(head.method.decode("ascii"), headers), target, bytes(self._body))
        if isinstance(answer, HttpResponse):
            self._replied(answer)
            return
        self._exchange.resolve(answer, self._replied)

    def _replied(self, response: HttpResponse) -> None:
        self._waits = False
        if self._is_over or not self._connection.is_open:
            return
        self._respond(response, last=self.is_finishing)
        if self.is_finishing or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self._is_over = True
            self._connection.close()
            return
        self._request = None
        self._http.start_next_cycle()
        self._go_on_safely()  # the next request may be here already

    def _respond(self, response: HttpResponse, *, last: bool) -> None:
        headers = response.fields()
        if last:
            headers.append(("connection", "close"))
        reason = _REASONS[response.status].encode()
        has_body = self._request is None or self._request.method != b"HEAD"
        events = (
            h11.Response(status_code=response.status, headers=headers, reason=reason),
            *((h11.Data(data=response.body),) if has_body else ()),
            h11.EndOfMessage(),
        )
        self._connection.send(b"".join(self._http.send(event) or b"" for event in events))
