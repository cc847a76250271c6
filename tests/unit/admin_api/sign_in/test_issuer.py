"""Sign-in at a real provider: codes, tokens and keys, good ones and forged ones."""

from __future__ import annotations

import base64
import hmac
import http.client
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import RSAKey

from admin_api.sign_in.flows import MOST_FLOWS, Flow
from admin_api.sign_in.issuer import Issuer
from admin_api.sign_in.jwts import check_id_token
from admin_api.sign_in.person import SignedIn
from admin_api.sign_in.refusal import ProviderAway, SignInRefused
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


def issuer_of(provider: OpenIdProvider, clock: Callable[[], float] = lambda: 1000.0) -> Issuer:
    settings = OidcSettings(provider.issuer, CLIENT, "https://dns.corp.example", "a secret", AUDIENCE, roles=ROLES)
    return Issuer(settings, make_log(), clock)


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
    person, _ = await issuer.finish(issuer.flows.take(brought["state"], cookie), brought["code"], None)
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
    with pytest.raises(SignInRefused, match="the link to the groups leads to another server"):
        await sign_in(issuer_of(provider), provider, "odd")


async def test_a_code_is_good_in_the_browser_that_began_and_once(provider: OpenIdProvider) -> None:
    issuer = issuer_of(provider)
    address, cookie = await issuer.begin("/")
    brought = consent(provider, address)
    with pytest.raises(SignInRefused, match="another browser"):
        issuer.flows.take(brought["state"], "another")
    flow = issuer.flows.take(brought["state"], cookie)
    with pytest.raises(SignInRefused, match="over"):
        issuer.flows.take(brought["state"], cookie)
    with pytest.raises(SignInRefused, match="another issuer"):
        await issuer.finish(flow, brought["code"], "https://elsewhere.example")
    await issuer.finish(flow, brought["code"], provider.issuer)
    with pytest.raises(ProviderAway, match="invalid_grant"):
        await issuer.finish(flow, brought["code"], None)


async def test_a_stolen_code_is_worth_nothing_without_its_verifier(provider: OpenIdProvider) -> None:
    issuer = issuer_of(provider)
    address, _ = await issuer.begin("/")
    brought = consent(provider, address)
    other = Flow(brought["state"], "n", "v" * 64, b"", "/", 0.0)
    with pytest.raises(ProviderAway, match="400"):
        await issuer.finish(other, brought["code"], None)


async def test_an_id_token_of_another_sign_in_is_refused(provider: OpenIdProvider) -> None:
    issuer = issuer_of(provider)
    address, cookie = await issuer.begin("/")
    brought = consent(provider, address)
    flow = issuer.flows.take(brought["state"], cookie)
    with pytest.raises(SignInRefused, match="nonce"):
        await issuer.finish(Flow(flow.state, "another", flow.verifier, b"", "/", 0.0), brought["code"], None)


async def test_sign_ins_under_way_end_after_ten_minutes_and_have_a_bound(provider: OpenIdProvider) -> None:
    now = [0.0]
    issuer = issuer_of(provider, lambda: now[0])
    flows = issuer.flows
    first, cookie = flows.begin("/")
    now[0] = 601.0
    with pytest.raises(SignInRefused, match="ten minutes"):
        flows.take(first.state, cookie)
    began = [flows.begin("/") for _ in range(MOST_FLOWS + 1)]
    with pytest.raises(SignInRefused):
        flows.take(began[0][0].state, began[0][1])
    assert flows.take(began[-1][0].state, began[-1][1]).wanted == "/"


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
    ],
)
async def test_a_jwt_with_a_wrong_claim_is_refused(
    provider: OpenIdProvider, claims: dict[str, object], why: str
) -> None:
    with pytest.raises(SignInRefused, match=why):
        await issuer_of(provider).bearer(provider.jwt(**{**GOOD, **claims}))


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
    await issuer.bearer(provider.jwt(**GOOD))
    provider.rotate()
    with pytest.raises(SignInRefused):
        await issuer.bearer(provider.jwt(**GOOD))  # within half a minute of the last fetch
    now[0] = 31.0
    assert (await issuer.bearer(provider.jwt(**GOOD))).roles == ("admin",)


async def test_keys_that_are_known_go_on_while_the_provider_is_away() -> None:
    now = [0.0]
    with OpenIdProvider() as provider:
        issuer = issuer_of(provider, lambda: now[0])
        await issuer.bearer(provider.jwt(**GOOD))
    now[0] = 4000.0
    assert (await issuer.bearer(provider.jwt(**GOOD))).roles == ("admin",)
    with pytest.raises(ProviderAway, match="cannot be reached"):
        await issuer_of(provider).begin("/")


@pytest.mark.parametrize(
    ("claims", "is_good"),
    [
        ({"aud": ["moatdns", "other"], "azp": "moatdns"}, True),
        ({"aud": ["moatdns", "other"]}, False),
        ({"aud": "moatdns", "azp": "other"}, False),
        ({"exp": 941}, True),
        ({"exp": 940}, False),
        ({"iat": 1060}, True),
        ({"iat": 1061}, False),
        ({"nonce": None}, False),
    ],
)
def test_an_id_token_is_for_this_application_and_within_a_minute(claims: dict[str, object], *, is_good: bool) -> None:
    good = {"iss": "https://i.example", "sub": "1", "aud": "moatdns", "iat": 1000, "exp": 1300, "nonce": "n"}

    def check() -> None:
        check_id_token({**good, **claims}, issuer="https://i.example", client_id="moatdns", nonce="n", now=1000.0)

    if is_good:
        check()
    else:
        with pytest.raises(SignInRefused):
            check()
