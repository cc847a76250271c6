"""The issuer: its description and keys, kept and fetched again, and the exchange of a code for a person."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from joserfc.jwk import KeySet

from admin_api.guarded_http import THIS_MACHINE, guarded_session, why_not
from admin_api.sign_in.flows import Flow, Flows
from admin_api.sign_in.jwts import UnknownKey, check_access_token, check_id_token, read_keys, verified
from admin_api.sign_in.person import SignedIn, claim_at, link_of, person_of, values_in
from admin_api.sign_in.provider import WELL_KNOWN, OpenIdMetadata, may_be_asked
from admin_api.sign_in.refusal import ProviderAway, SignInRefused
from resolver.config.fields import secret
from resolver.config.settings import OidcSettings
from resolver.errors import FetchError, RuleError
from resolver.telemetry.log import Log

WAY_BACK: Final = "/login/oidc/back"
"""The path that the provider sends people back to, behind admin.url."""

_GOOD_SECONDS = 3600.0  # for which what was fetched is taken as it is
_AGAIN_SECONDS = 30.0  # between fetches, whoever sends tokens with whatever key
_ANSWER_SECONDS = 10.0
_MOST_BYTES = 4 << 20  # of an answer; groups by a link are some megabytes at most
_GRAPH = "https://graph.microsoft.com/v1.0/me/getMemberObjects"
_OLD_GRAPH = "graph.windows.net"  # retired, and still what Entra ID's tokens name


class Issuer:
    """The one issuer of the config. What it said last holds while it is away."""

    def __init__(self, settings: OidcSettings, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.flows = Flows(clock)
        self._log = log
        self._clock = clock
        self._provider: OpenIdMetadata | None = None
        self._keys: KeySet | None = None
        self._fetched = self._tried = -1e9
        self._why = "it was not asked yet"
        self._fetching = asyncio.Lock()

    @property
    def shown(self) -> str:
        """Its name for people."""
        return urlsplit(self.settings.issuer).hostname or self.settings.issuer

    @property
    def way_back(self) -> str:
        """The redirect URI, as it has to be registered at the provider."""
        return self.settings.url + WAY_BACK

    async def begin(self, wanted: str) -> tuple[str, str]:
        """Begin a sign-in; gives where the browser is sent, and its cookie. Raises ProviderAway."""
        provider, _ = await self._known()
        flow, cookie = self.flows.begin(wanted)
        return flow.address(provider, self.settings.client_id, self.way_back), cookie

    async def finish(self, flow: Flow, code: str, said_issuer: str | None) -> tuple[SignedIn, str]:
        """Exchange a code for its person, and the ID token that says so. Raises SignInRefused, ProviderAway."""
        provider, _ = await self._known()
        if (said_issuer is not None or provider.names_issuer) and said_issuer != provider.issuer:
            raise SignInRefused("the answer is of another issuer (iss)")
        answer = await self._exchange(provider, flow, code)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise SignInRefused("the provider sent no ID token")
        claims = await self._verified(id_token)
        settings = self.settings
        check_id_token(claims, issuer=settings.issuer, client_id=settings.client_id, nonce=flow.nonce)
        values = values_in(claim_at(claims, settings.roles_claim))
        link = None if values else link_of(claims, settings.roles_claim)
        if link is not None:
            values = await self._behind(link, answer.get("access_token"))
        return person_of(claims, values, settings), id_token

    async def bearer(self, text: str) -> SignedIn:
        """The person of a JWT, for a call of the API. Raises SignInRefused, ProviderAway."""
        settings = self.settings
        if settings.audience is None:
            raise SignInRefused("the config takes no JWTs: login.oidc.audience is not set")
        claims = await self._verified(text)
        check_access_token(claims, issuer=settings.issuer, audience=settings.audience)
        return person_of(claims, values_in(claim_at(claims, settings.roles_claim)), settings)

    def end_address(self, id_token: str) -> str | None:
        """Where the browser goes on to log out at the provider, too; None where that has no such place."""
        end = None if self._provider is None else self._provider.end_session
        if end is None:
            return None
        asked = {
            **({"id_token_hint": id_token} if id_token else {}),
            "client_id": self.settings.client_id,
            "post_logout_redirect_uri": f"{self.settings.url}/login",
        }
        return f"{end}{'&' if '?' in end else '?'}{urlencode(asked)}"

    async def _verified(self, text: str) -> Mapping[str, Any]:
        _, keys = await self._known()
        try:
            return await asyncio.to_thread(verified, text, keys)
        except UnknownKey:  # rotated, perhaps
            _, keys = await self._known(anew=True)
            return await asyncio.to_thread(verified, text, keys)

    async def _known(self, *, anew: bool = False) -> tuple[OpenIdMetadata, KeySet]:
        """Description and keys; fetched again each hour, and `anew`, but not more often than every half a minute."""
        # While they are fetched by one, the others go on with what is known.
        is_good = self._clock() - self._fetched < _GOOD_SECONDS or self._fetching.locked()
        if self._provider is not None and self._keys is not None and is_good and not anew:
            return self._provider, self._keys
        async with self._fetching:
            now = self._clock()
            if now - self._tried >= _AGAIN_SECONDS:
                self._tried = now
                await self._fetch()
            if self._provider is None or self._keys is None:
                raise ProviderAway(f"the OpenID provider {self.shown} cannot be used: {self._why}")
            return self._provider, self._keys

    async def _fetch(self) -> None:
        try:
            url = self.settings.issuer.rstrip("/") + WELL_KNOWN
            provider = OpenIdMetadata.read(await self._json("GET", url), self.settings.issuer)
            keys = await asyncio.to_thread(read_keys, await self._json("GET", provider.keys))
        except ProviderAway as error:
            self._why = str(error)
            self._log.warning("the OpenID provider cannot be used", issuer=self.settings.issuer, why=self._why)
            return
        self._provider, self._keys, self._fetched = provider, keys, self._clock()

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
        answer = await self._json("POST", provider.token, data=form, headers=headers)
        if not isinstance(answer, Mapping):
            raise ProviderAway("the provider's token endpoint answers with no JSON object")
        return answer

    async def _behind(self, link: tuple[str, str | None], access_token: object) -> tuple[str, ...]:
        """The values that a link stands for. Raises SignInRefused, ProviderAway."""
        url, token = link
        if urlsplit(url).hostname == _OLD_GRAPH:
            url = _GRAPH
        if token is None and isinstance(access_token, str):
            own = (urlsplit(self.settings.issuer).netloc, urlsplit(_GRAPH).netloc)
            if urlsplit(url).netloc not in own:
                raise SignInRefused("the link to the groups leads to another server, and has no access token with it")
            token = access_token
        if token is None or not may_be_asked(url):
            raise SignInRefused("the link to the groups cannot be followed")
        headers = {"Authorization": f"Bearer {token}"}
        if url.endswith("/getMemberObjects"):
            answer = await self._json("POST", url, json={"securityEnabledOnly": True}, headers=headers)
        else:
            answer = await self._json("GET", url, headers=headers)
        if isinstance(answer, Mapping):
            answer = answer.get("value", answer.get(self.settings.roles_claim))
        if not isinstance(answer, list):
            raise SignInRefused("behind the link to the groups are none")
        return values_in(answer)

    async def _json(self, method: str, url: str, **more: Any) -> object:
        """The JSON that an address answers with. Raises ProviderAway."""
        is_plain = urlsplit(url).scheme == "http"
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                async with (
                    guarded_session(
                        allow_private=not is_plain, reach=THIS_MACHINE, headers={"Accept": "application/json"}
                    ) as session,
                    session.request(method, url, allow_redirects=False, **more) as response,
                ):
                    body = await _whole(response)
                    if response.status != HTTPStatus.OK:
                        raise ProviderAway(
                            f"the provider's {urlsplit(url).path} answers {response.status}{_said(body)}"
                        )
        except TimeoutError as error:
            raise ProviderAway(f"it took longer than {_ANSWER_SECONDS:g} s") from error
        except (aiohttp.ClientError, FetchError, OSError) as error:
            raise ProviderAway(why_not(error)) from error
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ProviderAway(f"the provider's {urlsplit(url).path} answers with no JSON") from error


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for part in response.content.iter_chunked(1 << 16):
        body += part
        if len(body) > _MOST_BYTES:
            raise ProviderAway("its answer is too large")
    return body


def _said(body: bytes) -> str:
    """The code of an OAuth error (RFC 6749 section 5.2), and nothing else of what may hold what was sent."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    code = found.get("error") if isinstance(found, Mapping) else None
    return f" ({code})" if isinstance(code, str) and code.isascii() and code.isidentifier() else ""
