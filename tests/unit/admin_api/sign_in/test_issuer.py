"""Sign-in at a real provider: codes, tokens and keys, good ones and forged ones."""

from __future__ import annotations

import asyncio
import base64
import hmac
import http.client
import itertools
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import trustme
from joserfc.jwk import RSAKey

from admin_api.persons import is_same_person
from admin_api.sign_in.issuer import Issuer
from admin_api.sign_in.person import SignedIn
from admin_api.sign_in.refusal import ProviderAway, SignInRefused
from admin_api.sign_in.waiting import MOST_WAITING
from resolver.config.settings import OidcSettings
from resolver.telemetry.log import make_log
from tests.support.openid import AUDIENCE, CLIENT, OpenIdProvider

pytestmark = pytest.mark.slow
ROLES = (("admin", ("dns-admins",)), ("operator", ("dns-operators",)), ("investigator", ("privacy",)))


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as running:
        running.person("248289", name="Ada Lovelace", groups=["dns-operators", "privacy", "other"])
        yield running


def issuer_of(provider: OpenIdProvider, clock: Callable[[], float] = lambda: 1000.0, **more: Any) -> Issuer:
    facts = {"client_secret": "a secret", "audience": AUDIENCE, "roles": ROLES, **more}
    return Issuer(OidcSettings(provider.issuer, CLIENT, "https://dns.corp.example", **facts), make_log(), clock)


def consent(provider: OpenIdProvider, address: str, subject: str = "248289") -> dict[str, str]:
    """Agree as a person does in the provider's form; gives what the browser brings back."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("localhost", provider.port, timeout=20)
    for method in ("GET", "POST"):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, f"{parts.path}?{parts.query}", urlencode({"sub": subject}), form)
        response = connection.getresponse()
        response.read()
    connection.close()
    location = urlsplit(response.headers["Location"])
    assert location.path == "/login/oidc/back"
    return {name: values[0] for name, values in parse_qs(location.query).items()}


async def sign_in(issuer: Issuer, provider: OpenIdProvider, subject: str = "248289") -> SignedIn:
    address, cookie = await issuer.begin("/")
    brought = consent(provider, address, subject)
    person, _ = await issuer.finish(issuer.flows.opened(brought["state"], cookie), brought)
    return person


async def test_a_person_has_a_subject_a_name_and_the_roles_of_the_claim(provider: OpenIdProvider) -> None:
    person = await sign_in(issuer_of(provider), provider)
    assert person.owner == f"Ada Lovelace <{provider.issuer} 248289>"
    assert (person.name, person.roles) == ("Ada Lovelace", ("operator", "investigator"))


def behind(provider: OpenIdProvider, subject: str, address: str) -> None:
    sources = {"src1": {"endpoint": address}}
    provider.person(subject, name="Max", _claim_names={"groups": "src1"}, _claim_sources=sources)


async def test_groups_behind_a_link_give_roles(provider: OpenIdProvider) -> None:
    behind(provider, "many", f"{provider.issuer}/users/1/getMemberObjects")
    assert (await sign_in(issuer_of(provider), provider, "many")).roles == ("operator",)


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/getMemberObjects", "http://169.254.169.254/latest", "file:///etc/passwd", ""]
)
async def test_a_link_to_elsewhere_gets_no_token_of_ours(provider: OpenIdProvider, address: str) -> None:
    behind(provider, "odd", address)
    with pytest.raises(SignInRefused, match="the link to the groups"):
        await sign_in(issuer_of(provider), provider, "odd")


async def test_a_link_that_is_no_address_is_refused(provider: OpenIdProvider) -> None:
    behind(provider, "odd", "https://[")
    with pytest.raises(SignInRefused, match="no https:// URL"):
        await sign_in(issuer_of(provider), provider, "odd")


async def test_a_code_is_good_in_the_browser_that_began_from_the_issuer_that_it_is_of_and_once(
    provider: OpenIdProvider,
) -> None:
    issuer = issuer_of(provider)
    address, cookie = await issuer.begin("/")
    brought = consent(provider, address)
    with pytest.raises(SignInRefused, match="another browser"):
        issuer.flows.opened(brought["state"], "another")
    flow = issuer.flows.opened(brought["state"], cookie)
    for sent in (brought, {"error": "access_denied"}):
        with pytest.raises(SignInRefused, match="another issuer"):
            await issuer.finish(flow, {**sent, "iss": "https://elsewhere.example"})
    await issuer.finish(flow, {**brought, "iss": provider.issuer})
    with pytest.raises(SignInRefused, match="invalid_grant"):
        await issuer.finish(flow, brought)


async def test_who_is_refused_at_the_provider_is_told_why(provider: OpenIdProvider) -> None:
    issuer = issuer_of(provider)
    address, cookie = await issuer.begin("/")
    flow = issuer.flows.opened(parse_qs(urlsplit(address).query)["state"][0], cookie)
    with pytest.raises(SignInRefused, match="lets nobody in: not today"):
        await issuer.finish(flow, {"error": "access_denied", "error_description": "not today"})


async def test_a_stolen_code_is_worth_nothing_without_its_verifier(provider: OpenIdProvider) -> None:
    issuer = issuer_of(provider)
    address, cookie = await issuer.begin("/")
    brought = consent(provider, address)
    flow = issuer.flows.opened(brought["state"], cookie)
    with pytest.raises(SignInRefused, match="invalid_grant"):
        await issuer.finish(replace(flow, verifier="v" * 64), brought)


async def test_an_id_token_of_another_sign_in_is_refused(provider: OpenIdProvider) -> None:
    issuer = issuer_of(provider)
    address, cookie = await issuer.begin("/")
    brought = consent(provider, address)
    flow = issuer.flows.opened(brought["state"], cookie)
    with pytest.raises(SignInRefused, match="nonce"):
        await issuer.finish(replace(flow, nonce="another"), brought)


@pytest.mark.parametrize(
    ("session_seconds", "length"),
    [(None, 3600), (7200, 7200)],
)
async def test_a_session_is_as_long_as_the_id_token_or_as_the_config_says(
    provider: OpenIdProvider, session_seconds: int | None, length: int
) -> None:
    person = await sign_in(issuer_of(provider, session_seconds=session_seconds), provider)
    assert abs(person.ends - time.time() - length) < 120


async def test_an_address_gives_roles_where_the_provider_has_verified_it(provider: OpenIdProvider) -> None:
    roles = (("admin", ("ada@corp.example",)),)
    issuer = issuer_of(provider, roles_claim="email", roles=roles)
    for verified in (False, None, "false", 1):
        provider.person("mail", email="ada@corp.example", email_verified=verified)
        with pytest.raises(SignInRefused, match="not verified the address"):
            await sign_in(issuer, provider, "mail")
    provider.person("mail", email="ada@corp.example", email_verified=True)
    person = await sign_in(issuer, provider, "mail")
    assert person.roles == ("admin",)
    assert is_same_person(person.owner, "Ada@corp.example")


async def test_a_provider_may_have_a_certificate_of_a_ca_of_ones_own(tmp_path: Path) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with OpenIdProvider(tls=tls) as private:
        good = issuer_of(private, ca_file=str(ca_file))
        assert (await good.bearer(private.jwt(**GOOD))).roles == ("admin",)
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(str(other))
        for file, why in (
            (None, "certificate"),
            (str(other), "certificate"),
            ("/gone.pem", "login.oidc.ca_file: /gone"),
        ):
            with pytest.raises(ProviderAway, match=why):
                await issuer_of(private, ca_file=file).begin("/")


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


GOOD = {"groups": ["dns-admins"]}


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1_000}, "expired"),
        ({"exp": None}, "no time"),
        ({"exp": True}, "no time"),
        ({"aud": "another"}, "audience"),
        ({"aud": None}, "audience"),
        ({"iss": "https://elsewhere.example"}, "issuer"),
        ({"sub": ""}, "subject"),
        ({"sub": None}, "subject"),
        ({"iat": 9_999_999_999}, "future"),
        ({"nbf": 9_999_999_999}, "future"),
        ({"nonce": "x"}, "ID token"),
        ({"at_hash": "x"}, "ID token"),
        ({"events": {}}, "tells of an event"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
    ],
)
async def test_a_jwt_with_a_wrong_claim_is_refused(
    provider: OpenIdProvider, claims: dict[str, object], why: str
) -> None:
    with pytest.raises(SignInRefused, match=why):
        await issuer_of(provider).bearer(provider.jwt(**{**GOOD, **claims}))


@pytest.mark.parametrize(("typ", "is_good"), [("at+jwt", True), ("application/AT+JWT", True), ("logout+jwt", False)])
async def test_a_jwt_is_of_the_type_of_access_tokens_or_of_none(
    provider: OpenIdProvider, typ: str, *, is_good: bool
) -> None:
    text = provider.jwt(header={"alg": "RS256", "typ": typ}, **GOOD)
    if is_good:
        assert (await issuer_of(provider).bearer(text)).roles == ("admin",)
    else:
        with pytest.raises(SignInRefused, match="typ"):
            await issuer_of(provider).bearer(text)


async def test_a_good_jwt_is_its_subject_whoever_else_it_is_for(provider: OpenIdProvider) -> None:
    person = await issuer_of(provider).bearer(provider.jwt(**GOOD, aud=["other", AUDIENCE]))
    assert (person.owner, person.roles) == (f"Ada <{provider.issuer} 248289>", ("admin",))


async def test_forged_jwts_are_refused(provider: OpenIdProvider) -> None:
    issuer = issuer_of(provider)
    good = provider.jwt(**GOOD)
    head, body, signature = good.split(".")
    hmac_head = encoded(b'{"alg":"HS256"}')
    by_public_key = hmac_head + "." + body
    mac = hmac.digest(provider.key.as_pem(private=False), by_public_key.encode(), "sha256")
    forged = [
        provider.jwt(key=RSAKey.generate_key(2048, private=True), **GOOD),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        f"eyJhbGciOiJub25lIn0.{body}.",
        f"{by_public_key}.{encoded(mac)}",
        "a.b.c",
        "é.b.c",
        "",
        "a" * 100_000,
    ]
    for text in forged:
        with pytest.raises(SignInRefused):
            await issuer.bearer(text)
    assert (await issuer.bearer(good)).roles == ("admin",)


async def test_keys_are_fetched_again_when_they_rotate_but_not_for_whoever_asks(provider: OpenIdProvider) -> None:
    now = [0.0]
    issuer = issuer_of(provider, lambda: now[0])
    for _ in range(3):
        assert (await issuer.bearer(provider.jwt(**GOOD))).roles == ("admin",)
        provider.rotate()
    before = provider.asked.count("/jwks")
    for _ in range(50):
        with pytest.raises(SignInRefused, match="not signed with a key"):
            await issuer.bearer(provider.jwt(**GOOD))
    assert provider.asked.count("/jwks") == before
    now[0] = 31.0
    assert (await issuer.bearer(provider.jwt(**GOOD))).roles == ("admin",)
    with pytest.raises(SignInRefused):
        await issuer.bearer(provider.jwt(key=RSAKey.generate_key(2048), **GOOD))


async def test_keys_that_are_known_go_on_while_the_provider_is_away() -> None:
    now = [0.0]
    with OpenIdProvider() as provider:
        issuer = issuer_of(provider, lambda: now[0])
        await issuer.bearer(provider.jwt(**GOOD))
    now[0] = 4000.0
    assert (await issuer.bearer(provider.jwt(**GOOD))).roles == ("admin",)
    with pytest.raises(ProviderAway, match="cannot be asked for its keys"):
        await issuer.bearer(provider.jwt(key=RSAKey.generate_key(2048), **GOOD))
    with pytest.raises(ProviderAway, match="cannot be reached"):
        await issuer_of(provider).begin("/")
    await issuer.stop()


async def test_a_provider_that_hangs_holds_up_nobody_who_is_known_and_few_who_are_not() -> None:
    now = [0.0]
    with OpenIdProvider() as provider:
        issuer = issuer_of(provider, lambda: now[0])
        await issuer.bearer(provider.jwt(**GOOD))
    with socket.create_server(("localhost", provider.port)):  # nobody accepts, so nothing is answered
        now[0] = 4000.0
        async with asyncio.timeout(5):  # a fetch takes ten seconds
            assert (await issuer.bearer(provider.jwt(**GOOD))).roles == ("admin",)
            assert (await issuer.begin("/"))[0].startswith(provider.issuer)
        unknown = provider.jwt(key=RSAKey.generate_key(2048), **GOOD)
        waiting = [asyncio.ensure_future(issuer.bearer(unknown)) for _ in range(MOST_WAITING + 5)]
        for first in itertools.islice(asyncio.as_completed(waiting), 5):
            with pytest.raises(ProviderAway, match="too many"):
                await first
        others = [one for one in waiting if not one.done()]
        assert (len(others), issuer.refused) == (MOST_WAITING, 5)
        await issuer.stop()
        for one in others:
            with pytest.raises(SignInRefused, match="key"):
                await one
