"""A client of DoH over HTTP/2 that sees streams and windows, and may send frames of its own."""

from __future__ import annotations

import base64
import ssl

import h2.config
import h2.connection
import h2.events

from tests.support.clients import query
from tests.support.encrypted import SERVER_NAME


def in_url(wire: bytes) -> str:
    """The target of a GET."""
    return "/dns-query?dns=" + base64.urlsafe_b64encode(wire).rstrip(b"=").decode()


class Http2Client:
    """HTTP/2 by h2 on a connection, with frames of one's own where wanted."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.connection = connection
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.http.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what h2 has to say."""
        self.connection.sendall(self.http.data_to_send())

    def get(self, name: str, *, flush: bool = True, message_id: int | None = None) -> int:
        """Ask; the stream. The message ID is a random one unless it is given."""
        stream = self.http.get_next_available_stream_id()
        message = query(name)
        if message_id is not None:
            message.id = message_id
        target = in_url(message.to_wire())
        headers = [(":method", "GET"), (":scheme", "https"), (":authority", SERVER_NAME), (":path", target)]
        self.http.send_headers(stream, headers, end_stream=True)
        if flush:
            self.flush()
        return stream

    def bodies(self, count: int) -> dict[int, bytes]:
        """The bodies of the next so many answers, by stream."""
        bodies: dict[int, bytes] = {}
        whole: set[int] = set()
        while len(whole) < count:
            data = self.connection.recv(65_536)
            if not data:
                raise EOFError
            for event in self.http.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    whole.add(event.stream_id)
            self.flush()
        return bodies
