"""The issuer of the config: sends people to it, and says who they are that come back, or call with its JWTs."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from admin_api.sign_in.asking import RefusedByProvider, json_of
from admin_api.sign_in.flows import Flow, Flows
from admin_api.sign_in.jwts import (
    UnknownKey,
    VerifiedJwt,
    check_access_token,
    check_id_token,
    end_of,
    verified,
)
from admin_api.sign_in.kept import KeptProvider
from admin_api.sign_in.person import ClaimLink, SignedIn, claim_at, link_of, person_of, values_in
from admin_api.sign_in.provider import OpenIdMetadata, may_be_asked
from admin_api.sign_in.refusal import ProviderAway, SignInRefused
from admin_api.sign_in.waiting import WaitingRoom
from admin_api.sign_in.way import WAY_BACK
from resolver.config.fields import secret
from resolver.config.settings import OidcSettings
from resolver.errors import RuleError
from resolver.system.safe_text import visible
from resolver.telemetry.log import Log

_GRAPH: Final = "https://graph.microsoft.com/v1.0/me/getMemberObjects"
_OLD_GRAPH: Final = "graph.windows.net"  # retired, and still what Entra ID's tokens name
_MOST_SAID: Final = 200


class Issuer:
    """The one issuer of the config."""

    def __init__(self, settings: OidcSettings, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.flows = Flows(clock)
        self._waiting = WaitingRoom()
        self._kept = KeptProvider(settings, self._waiting, log, clock)

    @property
    def shown(self) -> str:
        """Its name for people."""
        return urlsplit(self.settings.issuer).hostname or self.settings.issuer

    @property
    def way_back(self) -> str:
        """The redirect URI, as it has to be registered at the provider."""
        return self.settings.url + WAY_BACK

    @property
    def refused(self) -> int:
        """Calls that were refused since too many waited for the provider."""
        return self._waiting.refused

    async def begin(self, wanted: str) -> tuple[str, str]:
        """Begin a sign-in; gives where the browser is sent, and its cookie. Raises ProviderAway."""
        provider = await self._kept.known()
        flow, cookie = self.flows.begin(wanted)
        return flow.address(provider.metadata, self.settings.client_id, self.way_back), cookie

    async def finish(self, flow: Flow, sent: Mapping[str, str]) -> tuple[SignedIn, str]:
        """The person that a browser came back as, and the ID token that says so. Raises SignInRefused, ProviderAway.

        `sent` are the parameters that it brought (RFC 6749 section 4.1.2, RFC 9207).
        """
        settings, metadata = self.settings, (await self._kept.known()).metadata
        if ("iss" in sent or metadata.names_issuer) and sent.get("iss") != metadata.issuer:
            raise SignInRefused("the answer is of another issuer (iss)")
        if "code" not in sent or "error" in sent:
            said = visible(sent.get("error_description") or sent.get("error") or "no code")[:_MOST_SAID]
            raise SignInRefused(f"the provider lets nobody in: {said}")
        with self._waiting.taken():
            answer = await self._exchange(metadata, flow, sent["code"])
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise SignInRefused("the provider sent no ID token")
        claims = check_id_token(
            await self._verified(id_token), issuer=settings.issuer, client_id=settings.client_id, nonce=flow.nonce
        )
        values = values_in(claim_at(claims, settings.roles_claim))
        source = None if values else link_of(claims, settings.roles_claim)
        if source is not None:
            with self._waiting.taken():
                values = await self._behind(source, answer.get("access_token"))
        now = time.time()
        ends = end_of(claims, now) if settings.session_seconds is None else now + settings.session_seconds
        return replace(person_of(claims, values, settings), ends=ends), id_token

    async def bearer(self, text: str) -> SignedIn:
        """The person of a JWT, for a call of the API. Raises SignInRefused, ProviderAway."""
        settings = self.settings
        if settings.audience is None:
            raise SignInRefused("the config takes no JWTs: login.oidc.audience is not set")
        claims = check_access_token(await self._verified(text), issuer=settings.issuer, audience=settings.audience)
        return person_of(claims, values_in(claim_at(claims, settings.roles_claim)), settings)

    def end_address(self, id_token: str) -> str | None:
        """Where the browser goes on to log out at the provider, too; None where that has no such place."""
        end = None if self._kept.last is None else self._kept.last.metadata.end_session
        if end is None:
            return None
        asked = {
            **({"id_token_hint": id_token} if id_token else {}),
            "client_id": self.settings.client_id,
            "post_logout_redirect_uri": f"{self.settings.url}/login",
        }
        return f"{end}{'&' if '?' in end else '?'}{urlencode(asked)}"

    async def stop(self) -> None:
        """End what goes on beside calls."""
        await self._kept.stop()

    async def _verified(self, text: str) -> VerifiedJwt:
        provider = await self._kept.known()
        try:
            return await asyncio.to_thread(verified, text, provider.keys)
        except UnknownKey:  # rotated, perhaps
            newer = await self._kept.anew()
            if newer is None:
                raise
            return await asyncio.to_thread(verified, text, newer.keys)

    async def _exchange(self, provider: OpenIdMetadata, flow: Flow, code: str) -> Mapping[str, Any]:
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.way_back,
            "code_verifier": flow.verifier,
        }
        headers = {}
        try:
            text = None if settings.client_secret is None else await asyncio.to_thread(secret, settings.client_secret)
        except RuleError as error:
            raise ProviderAway(f"login.oidc.client_secret: {error}") from error
        if text is not None and provider.takes_basic:
            pair = f"{quote(settings.client_id, safe='')}:{quote(text, safe='')}"  # RFC 6749 section 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": settings.client_id} | ({} if text is None else {"client_secret": text})
        try:
            answer = await self._asked("POST", provider.token, data=form, headers=headers)
        except RefusedByProvider as error:
            if error.code == "invalid_grant":
                raise SignInRefused("the provider does not take this code (invalid_grant): begin again") from error
            raise
        if not isinstance(answer, Mapping):
            raise ProviderAway("the provider's token endpoint answers with no JSON object")
        return answer

    async def _behind(self, source: ClaimLink, access_token: object) -> tuple[str, ...]:
        """The values that a link stands for. Raises SignInRefused, ProviderAway."""
        url, token = source.url, source.access_token
        if not may_be_asked(url):
            raise SignInRefused("the link to the groups is no https:// URL")
        if urlsplit(url).hostname == _OLD_GRAPH:
            url = _GRAPH
        if token is None and isinstance(access_token, str):
            own = (urlsplit(self.settings.issuer).netloc, urlsplit(_GRAPH).netloc)
            if urlsplit(url).netloc not in own:
                raise SignInRefused("the link to the groups leads to another server, and has no access token with it")
            token = access_token
        if token is None:
            raise SignInRefused("the link to the groups has no access token with it")
        headers = {"Authorization": f"Bearer {token}"}
        if url.endswith("/getMemberObjects"):
            answer = await self._asked("POST", url, json={"securityEnabledOnly": True}, headers=headers)
        else:
            answer = await self._asked("GET", url, headers=headers)
        if isinstance(answer, Mapping):
            answer = answer.get("value", answer.get(self.settings.roles_claim))
        if not isinstance(answer, list):
            raise SignInRefused("behind the link to the groups are none")
        return values_in(answer)

    async def _asked(self, method: str, url: str, **more: Any) -> object:
        return await json_of(method, url, ca_file=self.settings.ca_file, **more)
