"""Sign-ins under way: what a browser was sent to the provider with, until it comes back (RFC 6749, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from admin_api.sign_in.provider import OpenIdMetadata
from admin_api.sign_in.refusal import SignInRefused

FLOW_SECONDS: Final = 600.0
MOST_FLOWS: Final = 1000
"""Sign-ins under way; beyond, the oldest is forgotten."""

_SCOPE: Final = "openid profile email"


@dataclass(frozen=True, slots=True)
class Flow:
    """One browser at the provider."""

    state: str
    nonce: str
    verifier: str
    browser: bytes  # SHA-256 of its cookie
    wanted: str  # the page that it goes on to
    began: float

    @property
    def challenge(self) -> str:
        """The verifier's S256 challenge (RFC 7636 section 4.2)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

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
    """All that are under way, by state."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_state: OrderedDict[str, Flow] = OrderedDict()
        self.forgotten = 0

    def begin(self, wanted: str) -> tuple[Flow, str]:
        """Begin one; gives it with the text of the cookie that binds it to its browser."""
        cookie = secrets.token_urlsafe(32)
        made = [secrets.token_urlsafe(32) for _ in range(2)]
        flow = Flow(made[0], made[1], secrets.token_urlsafe(48), _digest(cookie), wanted, self._clock())
        self._by_state[flow.state] = flow
        while len(self._by_state) > MOST_FLOWS:
            _, oldest = self._by_state.popitem(last=False)
            self.forgotten += self._clock() - oldest.began <= FLOW_SECONDS
        return flow, cookie

    def take(self, state: str, cookie: str) -> Flow:
        """The flow that this browser comes back from, which is over with that. Raises SignInRefused."""
        flow = self._by_state.get(state)
        if flow is None or self._clock() - flow.began > FLOW_SECONDS:
            raise SignInRefused("this sign-in is over, or took longer than ten minutes: begin again")
        if not hmac.compare_digest(flow.browser, _digest(cookie)):
            raise SignInRefused("this sign-in was begun in another browser, or its cookie is gone: begin again")
        del self._by_state[state]
        return flow


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
