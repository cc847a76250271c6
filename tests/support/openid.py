"""A real OpenID provider on loopback, which demands PKCE, and the tokens that it signs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import ssl
import threading
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
from joserfc import jwt
from joserfc.jwk import Key, RSAKey
from werkzeug.serving import BaseWSGIServer, make_server

from tests.support.programs import free_port

with warnings.catch_warnings():  # of what the provider itself is made with
    warnings.simplefilter("ignore")
    import oidc_provider_mock
    from authlib import jose

CLIENT = "moatdns"
AUDIENCE = "https://dns.corp.example/api"


class OpenIdProvider:
    """Serves while the context lasts. People are added by their subject and claims."""

    def __init__(self, *, token_seconds: float = 3600.0, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.issuer = f"{'http' if tls is None else 'https'}://localhost:{self.port}"
        self.forge: Callable[[dict[str, Any]], str] | None = None  # another ID token, of the claims of the right one
        self.asked: list[str] = []  # paths
        self._tls = tls
        self._app = oidc_provider_mock.app(require_nonce=True, access_token_max_age=timedelta(seconds=token_seconds))
        self._app.before_request(self._check_proof)
        self._app.post("/users/1/getMemberObjects")(self._groups)
        for change in (_packed, _without_styles, self._forged):  # the last one comes first
            self._app.after_request(change)
        self._challenges: set[str] = set()
        self._server: BaseWSGIServer | None = None
        self._storage: Any = None
        with self._app.test_request_context("/"):
            self._app.preprocess_request()
            self._storage = flask.g.oidc_provider_mock_storage

    def __enter__(self) -> OpenIdProvider:
        self._server = make_server("localhost", self.port, self._app, threaded=True, ssl_context=self._tls)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def person(self, subject: str, **claims: object) -> None:
        """Somebody who can sign in."""
        self._storage.store_user(oidc_provider_mock.User(sub=subject, claims=claims))

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self._storage.jwk = jose.RSAKey.generate_key(is_private=True)

    @property
    def key(self) -> RSAKey:
        """The key that it signs with."""
        return RSAKey.import_key(self._storage.jwk.as_dict(is_private=True))

    def signed(self, claims: dict[str, Any], key: Key | None = None, **header: Any) -> str:
        """A JWT of these claims."""
        return jwt.encode({"alg": "RS256", **header}, claims, key or self.key)

    def jwt(self, *, key: Key | None = None, header: dict[str, Any] | None = None, **claims: object) -> str:
        """A token for the API, with other claims or another key than a good one has."""
        now = int(time.time())
        good = {"iss": self.issuer, "sub": "248289", "aud": AUDIENCE, "iat": now, "exp": now + 300, "name": "Ada"}
        wanted = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(header or {"alg": "RS256"}, wanted, key or self.key)

    def settings(self, **more: object) -> dict[str, Any]:
        """`login.oidc` of a config."""
        roles = {"admin": ["dns-admins"], "operator": ["dns-operators"], "viewer": ["staff"]}
        return {"issuer": self.issuer, "client_id": CLIENT, "audience": AUDIENCE, "roles": roles, **more}

    def _groups(self) -> flask.Response:
        """Groups of somebody who is in too many for a token, as Microsoft Graph has them."""
        known = self._storage.get_access_token(flask.request.headers["Authorization"].removeprefix("Bearer "))
        assert flask.request.json == {"securityEnabledOnly": True}
        return flask.jsonify({"value": ["other", "dns-operators"]}) if known else flask.Response("", 401)

    def _check_proof(self) -> flask.Response | None:
        """PKCE (RFC 7636), which the provider itself does not look at."""
        asked = flask.request
        self.asked.append(asked.path)
        if asked.path == "/oauth2/authorize":
            if asked.args.get("code_challenge_method") != "S256":
                return flask.Response("no PKCE", 400)
            self._challenges.add(asked.args["code_challenge"])
        if asked.path == "/oauth2/token":
            digest = hashlib.sha256(asked.form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if challenge not in self._challenges:
                return flask.Response('{"error": "invalid_grant"}', 400)
            self._challenges.remove(challenge)
        return None

    def _forged(self, response: flask.Response) -> flask.Response:
        """The token endpoint's answer, with another ID token where one is to be forged."""
        if self.forge is not None and flask.request.path == "/oauth2/token" and response.status_code == 200:
            answer = json.loads(response.get_data())
            payload = answer["id_token"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            response.set_data(json.dumps({**answer, "id_token": self.forge(claims)}))
        return response


def _packed(response: flask.Response) -> flask.Response:
    """What a browser or a client takes packed, packed, as the networks before large providers do."""
    if "gzip" in flask.request.headers.get("Accept-Encoding", ""):
        response.set_data(gzip.compress(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _without_styles(response: flask.Response) -> flask.Response:
    """A page without the style sheet that it has from elsewhere."""
    if response.mimetype == "text/html":
        response.set_data(re.sub(rb"<link[^>]*>", b"", response.get_data()))
    return response
