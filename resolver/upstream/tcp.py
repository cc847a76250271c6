"""DNS on a connection to a server, over TCP (RFC 7766) or TLS (RFC 7858)."""

from __future__ import annotations

import asyncio

from resolver.errors import UpstreamBadAnswer
from resolver.upstream.connection import Connection, ConnectionOwner, Exchange
from resolver.wire.codes import HEADER
from resolver.wire.framing import Deframer, frame
from resolver.wire.query import NO_OPTIONS, is_bare_error, padding_for, question_matches, with_question, without_edns


class TcpConnection(Connection):
    """DNS over TCP (RFC 7766), and over TLS (RFC 7858): the same, behind a handshake."""

    def __init__(self, link: ConnectionOwner) -> None:
        super().__init__(link)
        self._deframer = Deframer()
        self._unsent: list[bytes] = []

    def launch(self, exchange: Exchange) -> bytes:
        """Write the question under an ID that is free."""
        link = self.link
        message_id = link.randomness.message_id()
        while message_id in self.in_flight:
            message_id = link.randomness.message_id()
        tail = exchange.asker.tail
        options = NO_OPTIONS
        marks = link.marks
        if link.context is not None:
            options = padding_for(tail)
        elif marks is not None:
            exchange.has_cookie = marks.has_cookie and exchange.asker.has_edns
            if marks.has_cookie:
                options = marks.options
            if marks.wants_case:
                exchange.question = marks.in_random_case(exchange.asker.question)
                tail = with_question(tail, exchange.question)
        framed = frame(message_id + (tail + options if exchange.asker.has_edns else without_edns(tail)))
        if self.transport is None:
            self._unsent.append(framed)
        else:
            self.transport.write(framed)
        return message_id

    def opened(self, transport: asyncio.Transport) -> None:
        """Write what was kept, in one piece."""
        transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        """Hand each answer to its asker, in whatever order they come."""
        self.note_life()
        link = self.link
        for message in self._deframer.feed(data):
            if len(message) < HEADER:
                why = f"{link.server.name}: its data over TCP is not DNS"
                self.end(UpstreamBadAnswer(why), may_move=False)
                return
            exchange = self.in_flight.get(message[:2])
            if exchange is not None and (question_matches(exchange.asker.question, message) or is_bare_error(message)):
                self.take(message[:2])
                self.rest()
                marks = link.marks
                if marks is None or marks.heard_by_stream(
                    message, exchange.question, expects_cookie=exchange.has_cookie
                ):
                    exchange.heard(link, message)
                else:
                    link.server.wrong_replies += 1
                    why = f"{link.server.name}: an answer with a cookie that is not ours"
                    exchange.lost(link, UpstreamBadAnswer(why))
            else:
                link.server.wrong_replies += 1  # the late answer to a question given up, most likely
