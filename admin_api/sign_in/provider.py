"""A provider's description of itself (OpenID Connect Discovery 1.0 section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from admin_api.sign_in.refusal import ProviderAway
from resolver.config.addresses import says_loopback

WELL_KNOWN: Final = "/.well-known/openid-configuration"
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class OpenIdMetadata:
    """Addresses of one provider."""

    issuer: str
    authorization: str
    token: str
    keys: str
    end_session: str | None = None
    takes_basic: bool = True  # the client's secret by Basic authentication, else in the form
    names_issuer: bool = False  # in what a browser brings back (RFC 9207)

    @classmethod
    def read(cls, document: object, issuer: str) -> OpenIdMetadata:
        """Read the document of an issuer. Raises ProviderAway."""
        if not isinstance(document, Mapping):
            raise ProviderAway("its discovery document is not a JSON object")
        if document.get("issuer") != issuer:
            raise ProviderAway(f"its discovery document is of another issuer than {issuer}: login.oidc.issuer is wrong")
        methods = document.get("token_endpoint_auth_methods_supported")
        listed = methods if isinstance(methods, list) else ["client_secret_basic"]
        has_end = document.get("end_session_endpoint") is not None
        return cls(
            issuer,
            _address(document, "authorization_endpoint"),
            _address(document, "token_endpoint"),
            _address(document, "jwks_uri"),
            _address(document, "end_session_endpoint") if has_end else None,
            takes_basic="client_secret_basic" in listed or "client_secret_post" not in listed,
            names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        )


def _address(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if isinstance(value, str) and _is_plain(value) and may_be_asked(value):
        return value
    raise ProviderAway(f"{name} of its discovery document is no https:// URL")


def _is_plain(text: str) -> bool:
    return len(text) <= _LONGEST and text.isascii() and text.isprintable()


def may_be_asked(url: str) -> bool:
    """Whether a URL is encrypted, or of this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and says_loopback(host)))
