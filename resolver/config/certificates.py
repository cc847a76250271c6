"""Certificates with their keys, as files: loaded, and looked at as a client would. For whoever serves TLS."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from resolver.errors import ListenError

_PARTIAL_CHAIN = ssl.VERIFY_X509_PARTIAL_CHAIN


def load_pair(context: ssl.SSLContext, certificate: Path, private_key: Path, section: str = "tls") -> None:
    """Put a certificate with its key into a context. Raises ListenError that says what is wrong with which file.

    `section` of the config names them.
    """
    for key, path in ((f"{section}.certificate", certificate), (f"{section}.private_key", private_key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ListenError(f"{key}: {path} cannot be read: {error.strerror or error}") from error
    try:
        context.load_cert_chain(certificate, private_key, password=lambda: "")  # else OpenSSL would ask on a terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ListenError(
                f"{section}.private_key: {private_key} is not the key of the certificate in {certificate}"
            ) from error
        raise ListenError(
            f"{section}.certificate: {certificate} with {private_key} cannot be used ({error.reason or error}): both "
            "should be PEM files, the server's certificate before its chain, the key without a password"
        ) from error


def load_authorities(context: ssl.SSLContext, ca_file: str | None, key: str) -> None:
    """Have a context trust the CAs of a PEM file, or the system's. Raises ListenError; `key` names the file."""
    if ca_file is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise ListenError(f"{key}: {ca_file} contains no certificates in PEM form") from error
    except OSError as error:
        raise ListenError(f"{key}: {ca_file} cannot be read: {error.strerror or error}") from error


def check_ca_file(ca_file: str | None) -> None:
    """Whether upstreams' certificates can be checked by a file. Raises ListenError that says what is wrong with it."""
    if ca_file is not None:
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_file, "upstream.ca_file")


def troubles_of(certificate: Path, private_key: Path, server_name: str | None, *, days: int = 14) -> list[str]:
    """Troubles of clients with a pair that can be loaded, as sentences: it ends soon, or is for other names."""
    ends_at = _shown_to_client(certificate, private_key, None)
    if isinstance(ends_at, str):
        return [f"tls.certificate: {certificate}: {ends_at}"]
    found = []
    left = ends_at - datetime.now(UTC)
    if left.days < days:
        found.append(f"tls.certificate: {certificate} ends at {ends_at:%Y-%m-%d %H:%M} UTC: renew it")
    if server_name is not None and isinstance(why := _shown_to_client(certificate, private_key, server_name), str):
        found.append(f"tls.server_name: the certificate in {certificate} is not for {server_name!r}: {why}")
    return found


def _shown_to_client(certificate: Path, private_key: Path, server_name: str | None) -> datetime | str:
    """The end of a certificate, as a client that trusts it sees it; or why the client would not take it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(server, certificate, private_key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = server_name is not None
    client.verify_flags |= _PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=server_name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):  # flights of a handshake
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    facts = ends[0].getpeercert()
    if not facts:
        return "no certificate was sent"
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(facts["notAfter"])), UTC)
