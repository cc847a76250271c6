"""A conversation with the server's end of HTTP/2 alone: no network, and each query is its own answer."""

from __future__ import annotations

from dataclasses import dataclass

from resolver.listeners.doh import HttpResponse, Refused, query_of
from resolver.listeners.http2_frames import Http2Violation
from resolver.listeners.http2_server import Http2Server
from resolver.listeners.http2_streams import Http2Stream
from tests.support.http2_frames import Told, told

STREAMS = RESETS = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """Octets that the server sent, what they say, and as what the client's end was counted ("": it was none)."""

    sent: bytes
    told: Told
    bound: str


def hear(pieces: list[bytes], *, server: Http2Server | None = None) -> Outcome:
    """Say all this to a server, and go.

    A query whose first octet is odd is answered later: one of them behind each piece, all others at the end.
    """
    server = server or Http2Server(streams=STREAMS, resets=RESETS)
    sent, waiting, bound = [_sent(server)], list[Http2Stream](), ""
    for piece in pieces:
        try:
            for request in server.take(piece):
                if request.body()[:1] in _LATER:
                    waiting.append(request)
                else:
                    server.respond(request, _answer(request))
        except Http2Violation as violation:
            bound = violation.bound
            server.sender.goodbye(violation.code)
            sent.append(_sent(server))
            break
        sent.append(_sent(server))
        if waiting:
            request = waiting.pop()
            server.respond(request, _answer(request))
            sent.append(_sent(server))
    if not bound:
        for request in waiting:
            server.respond(request, _answer(request))
        server.sender.goodbye(0)
        sent.append(_sent(server))
    octets = b"".join(sent)
    return Outcome(octets, told(octets), bound)


_LATER = frozenset(bytes([octet]) for octet in range(1, 256, 2))


def _answer(request: Http2Stream) -> HttpResponse:
    try:
        return HttpResponse(200, query_of(request.head.head, request.path, request.body()))
    except Refused as refused:
        return refused.response


def _sent(server: Http2Server) -> bytes:
    return b"".join(server.sender.to_send())
