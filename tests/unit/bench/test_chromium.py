"""Chromium's octets: those of its own connection, and what an independent HTTP/2 server makes of them."""

from __future__ import annotations

import base64

import dns.message
import h2.config
import h2.connection
import h2.events
from hypothesis import given
from hypothesis import strategies as st

from bench import chromium
from bench.queries import Asked

# The first request of Chromium 156 for the type 65 of clients2.google.com to 127.0.0.1:45779.
SEEN = (
    "800000006d82418b089d5c0b8170dc69b75d7f8704ff10624a90b76b4b67aff24a910430c3761861bb0c30c30c30ddbd8b4a"
    "07cb8db263d1eaed32778c5223f7669e918810c3830430ec861cdb6186186186186eec861f10ef8618618618618618618618"
    "6186186186186186186186186186186186186186186186186186186186186186186186186186186186186186186186186186"
    "1861861861861861861861861861861f53901d75d0620d263d4c495216a4a840e62f51012a7a85bd3d87a4bf50863485a926"
    "4faf4086aec31ec327d785b606be9437"
)


def test_a_first_request_is_that_of_the_browser_octet_for_octet() -> None:
    path = chromium.path_of(Asked("clients2.google.com", "HTTPS"))
    frame = chromium.request(1, path, "127.0.0.1:45779")
    assert frame[9:].hex() == SEEN
    assert frame[:9] == bytes((0, 0, len(SEEN) // 2, chromium.HEADERS, 0x25, 0, 0, 0, 1))


@given(st.lists(st.text(st.sampled_from("abcdef0123456789-"), min_size=1, max_size=60), min_size=1, max_size=6))
def test_an_http2_server_reads_the_queries(labels: list[str]) -> None:
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    names = [f"{label}.example" for label in labels]
    octets = chromium.PREFACE + b"".join(
        chromium.request(1 + 2 * number, chromium.path_of(Asked(name)), "" if number else "127.0.0.1:443")
        for number, name in enumerate(names)
    )
    requests = [event for event in server.receive_data(octets) if isinstance(event, h2.events.RequestReceived)]
    asked = []
    for request in requests:
        fields = {str(name): str(value) for name, value in request.headers or ()}
        assert (fields[":method"], fields[":authority"], fields["accept"]) == (
            "GET",
            "127.0.0.1:443",
            "application/dns-message",
        )
        wire = base64.urlsafe_b64decode(fields[":path"].removeprefix("/dns-query?dns=") + "==")
        assert len(wire) % 128 == 0
        asked.append(dns.message.from_wire(wire).question[0].name.to_text(omit_final_dot=True))
    assert asked == names
