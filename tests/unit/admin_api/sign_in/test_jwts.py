"""JWTs: whose signature they have, and for whom and when they are."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from admin_api.sign_in.jwts import VerifiedJwt, check_access_token, check_id_token, end_of, read_keys, verified
from admin_api.sign_in.provider import OpenIdMetadata
from admin_api.sign_in.refusal import ProviderAway, SignInRefused

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
X25519 = OKPKey.generate_key("X25519", {"kid": "x"})
KEYS = read_keys({"keys": [key.as_dict(private=False) for key in (EC, ED, X25519)]})


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # of who signs
@pytest.mark.parametrize(("alg", "key"), [("ES256", EC), ("EdDSA", ED)])
def test_a_jwt_is_by_the_key_that_it_names(alg: str, key: Key) -> None:
    text = jwt.encode({"alg": alg, "kid": key.kid}, {"sub": "1"}, key, [alg])
    assert verified(text, KEYS) == VerifiedJwt("jwt", {"sub": "1"})
    head, body, signature = text.split(".")
    other = json.dumps({"alg": alg, "kid": "x"}).encode()
    for wrong in (f"{head}.{encoded(b'{}')}.{signature}", f"{encoded(other)}.{body}.{signature}"):
        with pytest.raises(SignInRefused):
            verified(wrong, KEYS)


def test_a_key_is_for_the_algorithm_that_it_names_alone() -> None:
    key = RSAKey.generate_key(2048, {"kid": "r", "alg": "RS256"})
    keys = read_keys({"keys": [key.as_dict(private=False)]})
    assert verified(jwt.encode({"alg": "RS256", "kid": "r"}, {}, key), keys).claims == {}
    other = RSAKey.import_key({**key.as_dict(private=True), "alg": "PS256"})
    with pytest.raises(SignInRefused, match="signature"):
        verified(jwt.encode({"alg": "PS256", "kid": "r"}, {}, other, ["PS256"]), keys)


@pytest.mark.filterwarnings("ignore:Key size")
def test_an_rsa_key_that_can_be_broken_is_none() -> None:
    weak = RSAKey.generate_key(1024)
    with pytest.raises(ProviderAway, match="no key"):
        read_keys({"keys": [weak.as_dict(private=False)]})
    assert len(read_keys({"keys": [weak.as_dict(private=False), EC.as_dict(private=False)]}).keys) == 1


@pytest.mark.slow
@given(
    head=JSON | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), JSON), body=st.binary()
)
def test_whatever_is_no_jwt_of_the_provider_is_refused(head: object, body: bytes) -> None:
    text = encoded(json.dumps(head).encode())
    for kind in (text, encoded(b'{"alg":"ES256"}'), encoded(b'{"alg":"EdDSA","kid":"x"}')):
        with pytest.raises(SignInRefused):
            verified(f"{kind}.{encoded(body)}.{encoded(body)}", KEYS)


@given(st.text() | st.text("abc.-_", max_size=50))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(SignInRefused):
        verified(text, KEYS)


@pytest.mark.slow
@given(
    JSON
    | st.fixed_dictionaries({"keys": JSON})
    | st.fixed_dictionaries(
        {"keys": st.lists(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e"]), JSON))}
    )
)
def test_any_key_set_is_read_or_refused(document: object) -> None:
    with pytest.raises(ProviderAway):
        read_keys(document)


@given(
    JSON
    | st.dictionaries(
        st.sampled_from(["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"]),
        JSON | st.sampled_from(["https://[", "https://i.example/x", "http://i.example/"]),
    ).map(lambda found: {"issuer": "https://i.example", **found})
)
def test_any_description_is_read_or_refused(document: object) -> None:
    try:
        read = OpenIdMetadata.read(document, "https://i.example")
    except ProviderAway:
        return
    assert all(url.startswith("https://") for url in (read.authorization, read.token, read.keys))


GOOD = {"iss": "https://i.example", "sub": "1", "aud": "moatdns", "iat": 1000, "exp": 1300, "nonce": "n"}


def check(claims: dict[str, Any], typ: str = "jwt") -> None:
    check_id_token(VerifiedJwt(typ, claims), issuer="https://i.example", client_id="moatdns", nonce="n", now=1000.0)


@pytest.mark.parametrize(
    "claims",
    [{}, {"aud": ["moatdns", "other"], "azp": "moatdns"}, {"exp": 941}, {"iat": 1060}],
)
def test_an_id_token_is_for_this_application_within_a_minute(claims: dict[str, object]) -> None:
    check({**GOOD, **claims})


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["moatdns", "other"]},
        {"aud": "moatdns", "azp": "other"},
        {"exp": 940},
        {"iat": 1061},
        {"iat": None},
        {"nonce": None},
        {"nonce": "m"},
        {"iss": "https://i.example/"},
        {"sub": "ä"},
    ],
)
def test_an_id_token_with_a_wrong_claim_is_refused(claims: dict[str, object]) -> None:
    with pytest.raises(SignInRefused):
        check({**GOOD, **claims})


def test_a_token_of_another_type_is_no_id_token() -> None:
    with pytest.raises(SignInRefused, match="typ"):
        check(GOOD, "at+jwt")


@given(st.dictionaries(st.sampled_from([*GOOD, "azp", "nbf"]), JSON))
def test_any_claims_are_checked_or_refused(claims: dict[str, Any]) -> None:
    for checked in (
        lambda: check({**GOOD, **claims}),
        lambda: check_access_token(
            VerifiedJwt("", {**GOOD, **claims}), issuer="https://i.example", audience="moatdns", now=1000.0
        ),
    ):
        try:
            checked()
        except SignInRefused:
            continue
        assert claims.get("sub", "1")


@pytest.mark.parametrize(("now", "ends"), [(1000.0, 1300.0), (950.0, 1250.0), (1050.0, 1350.0), (1300.0, 1360.0)])
def test_an_id_token_lasts_by_our_clock_and_a_minute_longer_than_its_own_at_most(now: float, ends: float) -> None:
    assert end_of(GOOD, now) == ends


def test_no_key_is_no_key_set() -> None:
    assert isinstance(KEYS, KeySet)
    with pytest.raises(ProviderAway, match="no JWK set"):
        read_keys({"keys": [{}] * 101})
