"""A real OpenID provider on loopback, which demands PKCE, and the tokens that it signs."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
import warnings
from datetime import timedelta
from typing import Any

import flask
from joserfc import jwt
from joserfc.jwk import RSAKey
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

    def __init__(self, *, token_seconds: float = 3600.0) -> None:
        self.port = free_port()
        self.issuer = f"http://localhost:{self.port}"
        self._app = oidc_provider_mock.app(require_nonce=True, access_token_max_age=timedelta(seconds=token_seconds))
        self._app.before_request(self._check_proof)
        self._app.post("/users/1/getMemberObjects")(self._groups)
        self._app.after_request(_without_styles)
        self._challenges: set[str] = set()
        self._server: BaseWSGIServer | None = None
        self._storage: Any = None
        with self._app.test_request_context("/"):
            self._app.preprocess_request()
            self._storage = flask.g.oidc_provider_mock_storage

    def __enter__(self) -> OpenIdProvider:
        self._server = make_server("localhost", self.port, self._app, threaded=True)
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

    def jwt(self, *, key: RSAKey | None = None, header: dict[str, Any] | None = None, **claims: object) -> str:
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


def _without_styles(response: flask.Response) -> flask.Response:
    """A page without the style sheet that it has from elsewhere."""
    if response.mimetype == "text/html":
        response.set_data(re.sub(rb"<link[^>]*>", b"", response.get_data()))
    return response
