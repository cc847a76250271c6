"""TLS, and the headers that every answer carries."""

from __future__ import annotations

import ssl

from resolver.config.settings import ControlSettings
from resolver.errors import MoatdnsError

HEADERS = {
    "Server": "moatdns",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2: forward secrecy and AEAD, no CBC (RFC 9325 section 4.2)
HSTS = "max-age=31536000"


def ssl_context(settings: ControlSettings) -> ssl.SSLContext | None:
    """The TLS context of the admin API; None without a certificate. Raises MoatdnsError when it cannot be read."""
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: ControlSettings) -> None:
    """Read certificate and key (again): connections to come use them. Raises MoatdnsError."""
    try:
        context.load_cert_chain(str(settings.certificate), str(settings.private_key))
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or getattr(error, "reason", None) or error
        raise MoatdnsError(f"admin.tls: {settings.certificate} and its key cannot be used: {why}") from error
