"""DoH over HTTP/1.1: one request after the other on a connection, which stays open for the next."""

from __future__ import annotations

from http import HTTPStatus

import h11

from resolver.listeners.doh import Asked, Response, answer, not_a_query, read_head, refusal, too_large
from resolver.listeners.session import Link
from resolver.pipeline import Transport
from resolver.wire.codes import MAX_MESSAGE

_MOST_PIECES = 1_000  # of a body: chunks of one octet each would cost more than they carry
_MOST_AT_ONCE = 50  # requests answered in one go; those behind them wait for others' turn


class Http1:
    """The session of HTTP/1.1."""

    waiting_bytes = 0  # TCP's own flow control is all there is

    def __init__(self, link: Link, header_bytes: int) -> None:
        self._link = link
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=header_bytes)
        self._header_bytes = header_bytes
        self._asked: Asked | Response | None = None  # what the head of the request asks for, or is answered
        self._body = b""
        self._pieces = 0
        self._is_head = False  # the request that is being answered wants no body
        self._is_answering = False
        self._is_paused = False

    def received(self, data: bytes) -> None:
        """Take octets; answer each request that is complete, in order."""
        self._http.receive_data(data)
        self._work()

    def ended(self) -> None:
        """The client sends no more: what it has asked is still answered."""
        self._link.is_finishing = True
        self._http.receive_data(b"")
        self._work()

    def landed(self) -> None:
        """The answer was given: the next request may be read."""
        self._work()

    def finish(self) -> None:
        """The next response says that it is the last."""

    def overdue(self, now: float) -> None:
        """A request that does not come to its end."""
        self._link.count("tcp_query_seconds")
        self._refuse(refusal(408, "the request took too long"))

    def _work(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            if self._is_answering or self._link.is_closing or not self._step():
                break
        else:
            self._pause()
            self._link.later(self._work)
            return
        if self._is_answering and self._http.trailing_data[0]:
            self._pause()  # pipelined requests wait in the client's TCP, not here
        elif not self._is_answering and self._is_paused and not self._link.is_closing:
            self._is_paused = False
            self._link.resume()

    def _step(self) -> bool:
        """Take one event; whether there may be another."""
        link = self._link
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            is_large = error.error_status_hint == 431
            link.count("http_header_bytes" if is_large else "http_malformed")
            why = "the request has too large a head" if is_large else "this is not HTTP as RFC 9112 has it"
            self._refuse(refusal(error.error_status_hint, why))
            return False
        if event is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                link.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            is_partial = self._asked is not None or bool(self._http.trailing_data[0])
            if not is_partial:
                link.partial_since = None
            elif link.partial_since is None:
                link.partial_since = link.now()
            return False
        if isinstance(event, h11.Request):
            return self._take_head(event)
        if isinstance(event, h11.Data):
            return self._take_body(bytes(event.data))
        if isinstance(event, h11.EndOfMessage):
            return self._take_end()
        if isinstance(event, h11.ConnectionClosed):
            link.close()
        return False

    def _take_head(self, request: h11.Request) -> bool:
        self._is_head = request.method == b"HEAD"
        octets = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
        if octets > self._header_bytes:  # h11 minds only what does not come in one piece
            self._link.count("http_header_bytes")
            self._refuse(refusal(431, "the request has too large a head"))
            return False
        asked = read_head(request.method, request.target, request.headers)
        if isinstance(asked, Response) and (asked.status == 413 or self._http.they_are_waiting_for_100_continue):
            self._refuse(asked)
            return False
        self._asked, self._body, self._pieces = asked, b"", 0
        self._link.partial_since = self._link.now()
        return True

    def _take_body(self, data: bytes) -> bool:
        self._body += data
        self._pieces += 1
        if len(self._body) <= MAX_MESSAGE and self._pieces <= _MOST_PIECES:
            return True
        self._refuse(too_large())
        return False

    def _take_end(self) -> bool:
        asked, self._asked = self._asked, None
        self._link.partial_since = None
        if asked is None:
            return False
        self._is_answering = True
        if isinstance(asked, Response):
            self._respond(asked)
            return not self._link.is_closing
        query = self._body if asked.query is None else asked.query
        if not self._link.ask(query, Transport.HTTPS, self._reply, asked.name, asked.forwarded_for):
            self._respond(not_a_query())
        return not self._is_answering and not self._link.is_closing

    def _reply(self, message: bytes) -> None:
        self._respond(answer(message))

    def _refuse(self, response: Response) -> None:
        """Answer a request before it is complete, and end the connection: what else it holds is not read."""
        self._asked = None
        self._link.partial_since = None
        if not self._is_answering and self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(response, is_last=True)
        self._link.close()

    def _respond(self, response: Response) -> None:
        self._is_answering = False
        self._send(response, is_last=self._link.is_finishing)
        self._next()

    def _send(self, response: Response, *, is_last: bool) -> None:
        more = [(b"connection", b"close")] if is_last else []
        reason = HTTPStatus(response.status).phrase.encode()
        head = h11.Response(status_code=response.status, headers=[*response.headers, *more], reason=reason)
        body = b"" if self._is_head else response.body
        pieces = (self._http.send(head), self._http.send(h11.Data(body)), self._http.send(h11.EndOfMessage()))
        self._link.write(b"".join(piece or b"" for piece in pieces))

    def _next(self) -> bool:
        """Go on to the next request, if the connection stays."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        if self._http.our_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR):
            self._link.close()
        return False

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._link.pause()
