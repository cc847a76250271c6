"""Verification of a provider's JWTs (RFC 7519, RFC 8725): of ID tokens, and of those that the API takes."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt as jose
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import JWSRegistry, extract_compact

from admin_api.sign_in.refusal import ProviderAway, SignInRefused

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
SKEW_SECONDS: Final = 60
"""By which the provider's clock may differ from ours."""
LONGEST_JWT: Final = 65_536
MOST_KEYS: Final = 100
_LONGEST_SUBJECT = 255  # OpenID Connect Core section 2
_KINDS: Final = ("RSA", "EC", "OKP")
_LEAST_RSA_BITS: Final = 2048  # RFC 7518 section 3.3

# `typ` of JWTs (RFC 8725 section 3.11): those of other kinds, such as of log-out or of DPoP, are for something else.
_OF_ID_TOKENS: Final = ("", "jwt")
_OF_ACCESS_TOKENS: Final = ("", "jwt", "at+jwt", "application/at+jwt")  # many providers know no RFC 9068
_OF_OTHERS: Final = ("nonce", "at_hash", "c_hash", "events")  # claims of ID tokens, and of security events

Claims = Mapping[str, Any]


class _Registry(JWSRegistry):
    """The algorithms above alone; the library would warn of EdDSA, which RFC 9864 has under the names of its curves."""

    def get_alg(self, name: str) -> JWSAlgModel:
        """Raises UnsupportedAlgorithmError."""
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


# What the header has beside is the provider's own business, unless it says "crit" (RFC 7515 section 4.1.11).
_REGISTRY: Final = _Registry(strict_check_header=False)


@dataclass(frozen=True, slots=True)
class VerifiedJwt:
    """A JWT whose signature is the provider's. Nothing in it is checked yet."""

    typ: str  # in lower case; "" without one
    claims: Claims


class UnknownKey(SignInRefused):
    """A JWT was signed with a key that is not among those known."""


def read_keys(document: object) -> KeySet:
    """The keys of a JWK set that can verify signatures. Raises ProviderAway."""
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list) or len(keys) > MOST_KEYS:
        raise ProviderAway("its keys are no JWK set")
    found = [key for key in keys if isinstance(key, Mapping) and key.get("kty") in _KINDS and key.get("use") != "enc"]
    usable = []
    for key in found:
        try:
            read = KeySet.import_key_set({"keys": [dict(key)]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # of a curve or a form that is not known here: another one may do
        usable += [one for one in read if not isinstance(one, RSAKey) or one.public_key.key_size >= _LEAST_RSA_BITS]
    if not usable:
        raise ProviderAway("its JWK set has no key that can be used")
    return KeySet(usable)


def verified(text: str, keys: KeySet) -> VerifiedJwt:
    """A JWT whose signature is by one of the keys. Raises UnknownKey, SignInRefused."""
    if len(text) > LONGEST_JWT or not text.isascii():
        raise SignInRefused("the token is too long, or no JWT")
    try:
        header = extract_compact(text.encode(), registry=_REGISTRY).headers()
    except (JoseError, ValueError, TypeError) as error:
        raise SignInRefused("the token is no JWT") from error
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in ALGORITHMS:
        raise SignInRefused(f"the token is not signed by one of {', '.join(ALGORITHMS)}")
    candidates = [key for key in keys.keys if kid is None or key.kid == kid]
    if not candidates:
        raise UnknownKey("the token is signed with a key that the provider does not publish")
    for key in candidates:
        try:  # a key that names an algorithm is for that one alone (RFC 8725 section 3.1)
            claims = jose.decode(text, key, [alg], _REGISTRY).claims
        except (JoseError, ValueError, TypeError):
            continue
        return VerifiedJwt(str(header.get("typ", "")).lower(), claims)
    if kid is None:
        raise UnknownKey("the token is not signed with a key of the provider")
    raise SignInRefused("the token's signature is wrong")


def check_id_token(jwt: VerifiedJwt, *, issuer: str, client_id: str, nonce: str, now: float | None = None) -> Claims:
    """The claims of an ID token, checked (OpenID Connect Core section 3.1.3.7). Raises SignInRefused."""
    claims = jwt.claims
    if jwt.typ not in _OF_ID_TOKENS:
        raise SignInRefused("the token is no ID token (typ)")
    _check(claims, issuer, client_id, time.time() if now is None else now)
    _number(claims, "iat")
    azp = claims.get("azp")
    if (azp is not None or len(_audiences(claims)) > 1) and azp != client_id:
        raise SignInRefused("the token is for another application (azp)")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "replace"), nonce.encode()):
        raise SignInRefused("the token is of another sign-in (nonce)")
    return claims


def check_access_token(jwt: VerifiedJwt, *, issuer: str, audience: str, now: float | None = None) -> Claims:
    """The claims of a JWT that calls the API with, checked (RFC 9068 section 4). Raises SignInRefused."""
    claims = jwt.claims
    if jwt.typ not in _OF_ACCESS_TOKENS:
        raise SignInRefused("the token is no access token (typ)")
    if not claims.keys().isdisjoint(_OF_OTHERS):
        raise SignInRefused("the token is an ID token or tells of an event, and calls no API")
    if "cnf" in claims:
        raise SignInRefused("the token is bound to a key (cnf), which a bearer does not prove to have")
    _check(claims, issuer, audience, time.time() if now is None else now)
    return claims


def end_of(claims: Claims, now: float) -> float:
    """When a checked ID token is over, Unix time by our clock: the provider's may go otherwise."""
    ends = _number(claims, "exp")
    return min(ends + SKEW_SECONDS, now + ends - _number(claims, "iat"))


def _check(claims: Claims, issuer: str, audience: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise SignInRefused("the token is of another issuer (iss)")
    if audience not in _audiences(claims):
        raise SignInRefused("the token is for another audience (aud)")
    if _number(claims, "exp") <= now - SKEW_SECONDS:
        raise SignInRefused("the token has expired (exp)")
    for name in ("iat", "nbf"):
        if claims.get(name) is not None and _number(claims, name) > now + SKEW_SECONDS:
            raise SignInRefused(f"the token is of the future ({name}): compare the clocks of provider and server")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > _LONGEST_SUBJECT or not subject.isascii():
        raise SignInRefused("the token names no subject (sub)")


def _audiences(claims: Claims) -> list[Any]:
    given = claims.get("aud")
    return given if isinstance(given, list) else [given]


def _number(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise SignInRefused(f"the token has no time ({name})")
    return float(value)
