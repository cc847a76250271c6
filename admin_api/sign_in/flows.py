"""Sign-ins under way: what a browser was sent to the provider with, until it comes back (RFC 6749, RFC 7636).

Nothing of one is kept here: the browser has it in a cookie that only this process can make and read. So strangers who
begin as many as they like take no room from anybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Final
from urllib.parse import urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from admin_api.sign_in.provider import OpenIdMetadata
from admin_api.sign_in.refusal import SignInRefused
from admin_api.sign_in.way import FLOW_SECONDS

LONGEST_COOKIE: Final = 3800
"""Characters; browsers take 4,096 with name and attributes (RFC 6265 section 6.1)."""

_SCOPE: Final = "openid profile email"
_LABEL: Final = b"moatdns sign-in"
_NONCE_OCTETS: Final = 12  # of AES-GCM


@dataclass(frozen=True, slots=True)
class Flow:
    """One browser at the provider."""

    state: str
    nonce: str
    verifier: str
    wanted: str  # the page that it goes on to
    began: float

    @property
    def challenge(self) -> str:
        """The verifier's S256 challenge (RFC 7636 section 4.2)."""
        return _encoded(hashlib.sha256(self.verifier.encode()).digest())

    def address(self, provider: OpenIdMetadata, client_id: str, way_back: str) -> str:
        """Where the browser is sent."""
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": way_back,
            "scope": _SCOPE,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        }
        return f"{provider.authorization}{'&' if '?' in provider.authorization else '?'}{urlencode(asked)}"


class Flows:
    """Makes flows, and reads them back; its key lives as long as the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cipher = AESGCM(AESGCM.generate_key(256))

    def begin(self, wanted: str) -> tuple[Flow, str]:
        """Begin one; gives it with the text of the cookie that its browser keeps it in.

        An address too long for a cookie gives way to the overview.
        """
        flow = Flow(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), wanted, self._clock()
        )
        cookie = self._sealed(flow)
        if len(cookie) > LONGEST_COOKIE:
            flow = replace(flow, wanted="/")
            cookie = self._sealed(flow)
        return flow, cookie

    def opened(self, state: str, cookie: str) -> Flow:
        """The flow that this browser comes back from. Raises SignInRefused."""
        flow = self._unsealed(cookie)
        if flow is None or not hmac.compare_digest(flow.state.encode(), state.encode("utf-8", "surrogatepass")):
            raise SignInRefused("this sign-in was begun in another browser, or its cookie is gone: begin again")
        if self._clock() - flow.began > FLOW_SECONDS:
            raise SignInRefused("this sign-in took longer than ten minutes: begin again")
        return flow

    def _sealed(self, flow: Flow) -> str:
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        return _encoded(nonce + self._cipher.encrypt(nonce, json.dumps(asdict(flow)).encode(), _LABEL))

    def _unsealed(self, cookie: str) -> Flow | None:
        """The flow that we sealed in a cookie; None for all else."""
        if len(cookie) > LONGEST_COOKIE or not cookie.isascii():
            return None
        try:
            octets = base64.b64decode(cookie + "=" * (-len(cookie) % 4), altchars=b"-_", validate=True)
            text = self._cipher.decrypt(octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], _LABEL)
        except (binascii.Error, InvalidTag, ValueError):
            return None
        return Flow(**json.loads(text))


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
