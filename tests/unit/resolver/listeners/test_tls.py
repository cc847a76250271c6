"""TLS of one connection: which protocol is agreed on, whatever else the client says."""

from __future__ import annotations

import contextlib
import ssl

import psutil
import pytest

from resolver.listeners.tls import ServerContext, Tls, failure_of


def agreed(context: ServerContext, *offered: str, name: str | None, version: ssl.TLSVersion) -> str | None:
    """What a client and the server agree on. Raises the client's ssl.SSLError where it is told that it cannot."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    client_context.maximum_version = version
    if offered:
        client_context.set_alpn_protocols(list(offered))
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, from_client, server_hostname=name)
    assert context.context is not None
    server = Tls(context.context)
    while not server.is_open:
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        for octet in from_client.read():
            with contextlib.suppress(ssl.SSLError):  # the alert tells the client
                server.feed(bytes((octet,)))
        to_client.write(server.take())
    return server.protocol


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["dns.office.example", None])
def test_a_client_that_offers_nothing_of_ours_gets_the_alert_with_a_name_or_without(
    context: ServerContext, name: str | None, version: ssl.TLSVersion
) -> None:
    assert agreed(context, "spdy/3", "h2", name=name, version=version) == "h2"
    assert agreed(context, name=name, version=version) is None
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        agreed(context, "dot", "h3", name=name, version=version)


@pytest.mark.parametrize("alert", [b"\x01\x00", b"\x02\x28"])  # a goodbye, of which the error has no reason; a failure
def test_a_client_that_ends_the_handshake_has_failed_at_it(context: ServerContext, alert: bytes) -> None:
    assert context.context is not None
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(to_client, from_client, server_hostname="dns.office.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLError) as caught:
        Tls(context.context).feed(from_client.read() + b"\x15\x03\x03\x00\x02" + alert)
    assert failure_of(caught.value) == "tls_failed"


def test_what_comes_behind_a_clients_goodbye_is_not_kept(context: ServerContext) -> None:
    assert context.context is not None
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, from_client)
    server = Tls(context.context)
    while not server.is_open:
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        server.feed(from_client.read())
        to_client.write(server.take())
    with contextlib.suppress(ssl.SSLWantReadError):
        client.unwrap()
    server.feed(from_client.read())
    assert server.has_ended
    before = psutil.Process().memory_info().rss
    for _ in range(1_000):
        assert server.feed(bytes(65_536)) == b""
    assert psutil.Process().memory_info().rss - before < 16 << 20
