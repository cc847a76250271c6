"""Whoever comes back with another token than the provider gives, or comes without end, at a whole server."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from joserfc.jwk import RSAKey

from tests.conftest import OFFICE
from tests.support.api import Api
from tests.support.moatdns import Moatdns
from tests.support.openid import OpenIdProvider
from tests.support.programs import free_port, wait_until
from tests.support.signing_in import Traveller

ADA = "248289"
STRANGE = RSAKey.generate_key(2048)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    made, file = trustme.CA(), tmp_path_factory.mktemp("authority") / "ca.pem"
    made.cert_pem.write_to_path(str(file))
    return made, file


@pytest.fixture(scope="module")
def provider(authority: tuple[trustme.CA, Path]) -> Iterator[OpenIdProvider]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("localhost").configure_cert(tls)
    with OpenIdProvider(tls=tls) as running:
        running.person(ADA, name="Ada Lovelace", groups=["dns-admins"])
        yield running


@pytest.fixture
def at_work(provider: OpenIdProvider, authority: tuple[trustme.CA, Path], tmp_path: Path) -> Iterator[Moatdns]:
    port, secret = free_port(), tmp_path / "client-secret"
    secret.write_text("a secret\n", encoding="utf-8")
    config = {
        **OFFICE,
        "workers": 1,
        "admin": {"listen": f"127.0.0.1:{port}", "url": f"http://127.0.0.1:{port}"},
        "login": {"oidc": provider.settings(ca_file=str(authority[1]), client_secret=f"file:{secret}")},
    }
    with Moatdns(tmp_path, config, with_api=True) as moatdns:
        yield moatdns


@pytest.fixture
def traveller(at_work: Moatdns, provider: OpenIdProvider, authority: tuple[trustme.CA, Path]) -> Iterator[Traveller]:
    yield Traveller(at_work.admin_port, provider, ssl.create_default_context(cafile=str(authority[1])))
    provider.forge = None


def test_a_forged_expired_or_foreign_id_token_lets_nobody_in(
    at_work: Moatdns, traveller: Traveller, provider: OpenIdProvider
) -> None:
    now = int(time.time())

    def with_claims(**changed: Any) -> Callable[[dict[str, Any]], str]:
        return lambda claims: provider.signed({**claims, **changed})

    forged: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
        ("signature is wrong", lambda claims: provider.signed(claims, STRANGE, kid=provider.key.thumbprint())),
        ("not signed by one of", lambda claims: f"eyJhbGciOiJub25lIn0.{provider.signed(claims).split('.')[1]}."),
        ("expired", with_claims(iat=now - 7200, exp=now - 3600)),
        ("another audience", with_claims(aud="another")),
        ("another application", with_claims(azp="another")),
        ("of another sign-in (nonce)", with_claims(nonce="another")),
        ("another issuer", with_claims(iss="https://login.other.example")),
    )
    for why, forge in forged:
        provider.forge = forge
        came = traveller.sign_in(ADA)
        assert (came.status, came.session, why in came.text) == (401, None, True), (why, came)
    assert len(at_work.events_named("a sign-in is refused")) == len(forged)
    provider.forge = with_claims()
    came = traveller.sign_in(ADA)
    assert (came.status, traveller.page("/groups", came.session or "")) == (200, 200), came


def test_people_come_in_while_strangers_begin_sign_ins_without_end(traveller: Traveller) -> None:
    address, cookie = traveller.go()
    stranger = http.client.HTTPConnection("127.0.0.1", traveller.port, timeout=30)
    for _ in range(1200):
        stranger.request("GET", "/login/oidc")
        reply = stranger.getresponse()
        reply.read()
        assert reply.status == 303
    stranger.close()
    assert traveller.come_back(traveller.consent(address, ADA), cookie).session is not None


def test_codes_that_are_guessed_are_asked_for_seldom_and_people_come_in_meanwhile(
    traveller: Traveller, provider: OpenIdProvider
) -> None:
    stranger = replace(traveller, address="127.0.0.2")
    address, cookie = stranger.go()
    state = address.partition("state=")[2].partition("&")[0]
    before = provider.asked.count("/oauth2/token")
    began = time.monotonic()
    found = [stranger.come_back(f"/login/oidc/back?state={state}&code=guess", cookie).status for _ in range(60)]
    assert found == [401] * 10 + [429] * 50
    seconds = time.monotonic() - began
    assert provider.asked.count("/oauth2/token") - before <= 10 + 10 * (seconds + 1)
    assert traveller.sign_in(ADA).session is not None
    wait_until(lambda: stranger.sign_in(ADA).session, "who shares the stranger's address comes in, too")


def test_a_forged_expired_or_foreign_jwt_calls_nothing(at_work: Moatdns, provider: OpenIdProvider) -> None:
    groups = {"groups": ["dns-admins"]}
    assert Api(at_work.admin_port, provider.jwt(**groups)).call("GET", "tokens").status == 200
    for wrong in (
        provider.jwt(**groups, key=STRANGE),
        provider.jwt(**groups, exp=int(time.time()) - 61),
        provider.jwt(**groups, aud="moatdns"),
        provider.jwt(**groups, iss="https://login.other.example"),
        provider.jwt(**groups, nonce="of an ID token"),
        provider.jwt(**groups, header={"alg": "RS256", "typ": "logout+jwt"}),
    ):
        reply = Api(at_work.admin_port, wrong).call("GET", "tokens")
        assert (reply.status, reply.headers["www-authenticate"]) == (
            401,
            'Bearer realm="moatdns", error="invalid_token"',
        )


def test_a_way_back_of_anothers_making_ends_no_sign_in(traveller: Traveller) -> None:
    address, cookie = traveller.go()
    path = traveller.consent(address, ADA)
    for wrong in ("/login/oidc/back", "/login/oidc/back?state=x&code=y", f"{path}&code=twice", f"{path}&iss=x&iss=y"):
        came = traveller.come_back(wrong, cookie)
        assert (came.status, came.session) == (401, None), wrong
    assert traveller.come_back(path, "moatdns-sign-in=another").status == 401
    assert traveller.come_back(path, cookie).session is not None


def test_keys_that_rotate_are_taken_at_once_and_old_ones_no_more(
    at_work: Moatdns, traveller: Traveller, provider: OpenIdProvider
) -> None:
    old = Api(at_work.admin_port, provider.jwt(groups=["staff"]))
    assert old.call("GET", "groups").status == 200
    provider.rotate()
    assert traveller.sign_in(ADA).session is not None
    assert Api(at_work.admin_port, provider.jwt(groups=["staff"])).call("GET", "groups").status == 200
    assert old.call("GET", "groups").status == 401
