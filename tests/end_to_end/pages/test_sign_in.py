"""People who sign in at a real OpenID provider, in a real browser."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import OFFICE
from tests.support.api import Api
from tests.support.browser import Person, new_token, send_form, wait_for_text
from tests.support.moatdns import MOATDNS, Moatdns
from tests.support.openid import OpenIdProvider
from tests.support.programs import PATIENCE_SECONDS, free_port, wait_until

ADA, BEN = "248289", "248290"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as running:
        running.person(ADA, name="Ada Lovelace", groups=["dns-admins"])
        running.person(BEN, name="Ben Okri", groups=["dns-admins", "staff"])
        running.person("viewer", name="Vera", groups=["staff"])
        running.person("guest", name="Gus", groups=["guests"])
        yield running


def config_of(provider: OpenIdProvider, folder: Path, **more: Any) -> dict[str, Any]:
    port, secret = free_port(), folder / "client-secret"
    secret.write_text("a secret\n", encoding="utf-8")
    admin = {"listen": f"127.0.0.1:{port}", "url": f"http://127.0.0.1:{port}"}
    return {
        **OFFICE,
        "workers": 1,
        "admin": admin,
        "login": {"oidc": provider.settings(client_secret=f"file:{secret}")},
        "policy": {**OFFICE["policy"], "approval": "four-eyes"},
        **more,
    }


@pytest.fixture(scope="module")
def at_work(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    folder = tmp_path_factory.mktemp("sign-in")
    with Moatdns(folder, config_of(provider, folder), with_api=True) as moatdns:
        yield moatdns


def run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, *words, "--config", str(server.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def line_of(server: Moatdns, *words: str) -> str:
    """The line that a command prints."""
    done = run(server, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def sign_in(person: Person, provider: OpenIdProvider, subject: str, address: str = "/") -> Page:
    """Go to an address by way of the provider."""
    person.elsewhere = (provider.issuer,)
    page = person.go(address)
    page.get_by_role("link", name="Sign in with localhost").click()
    page.locator("input[name=sub]").fill(subject)
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(lambda url: url.startswith(person.base) and "/login/oidc" not in url)
    return page


def test_who_signs_in_is_where_they_wanted_to_go_with_their_roles(
    chromium: Browser, at_work: Moatdns, provider: OpenIdProvider
) -> None:
    with Person(chromium, at_work) as person:
        page = sign_in(person, provider, "viewer", "/groups")
        assert page.url == f"{person.base}/groups"
        assert page.locator("summary", has_text="Vera").count() == 1
        assert not page.get_by_role("link", name="New group").count()
        assert all(cookie["httpOnly"] for cookie in page.context.cookies(person.base))


def test_who_has_no_role_is_told_so(chromium: Browser, at_work: Moatdns, provider: OpenIdProvider) -> None:
    with Person(chromium, at_work) as person:
        person.elsewhere = (provider.issuer,)
        person.expected_statuses.add(403)
        page = person.go("/")
        page.get_by_role("link", name="Sign in with localhost").click()
        page.locator("input[name=sub]").fill("guest")
        page.get_by_role("button", name="Authorize").click()
        wait_for_text(page, "This needs the role viewer; 'Gus' has none.")


def test_a_refusal_at_the_provider_is_told(chromium: Browser, at_work: Moatdns, provider: OpenIdProvider) -> None:
    with Person(chromium, at_work) as person:
        person.elsewhere = (provider.issuer,)
        person.expected_statuses.add(401)
        page = person.go("/")
        page.get_by_role("link", name="Sign in with localhost").click()
        page.locator("input[name=sub]").evaluate("field => field.removeAttribute('required')")
        page.get_by_role("button", name="Deny").click()
        wait_for_text(page, "begin again")  # this provider forgets the state


def test_log_out_ends_the_session_here_and_goes_on_to_the_provider(
    chromium: Browser, at_work: Moatdns, provider: OpenIdProvider
) -> None:
    with Person(chromium, at_work) as person:
        page = sign_in(person, provider, "viewer")
        page.locator("summary", has_text="Vera").click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(lambda url: url.startswith(f"{provider.issuer}/oauth2/end_session"))
        assert "id_token_hint=" in page.url
        assert f"post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A{at_work.admin_port}%2Flogin" in page.url
        assert "/login" in person.go("/").url


def test_one_person_cannot_approve_their_own_request_by_token_or_jwt(
    chromium: Browser, at_work: Moatdns, provider: OpenIdProvider
) -> None:
    groups = {"aud": "https://dns.corp.example/api", "groups": ["dns-admins"]}
    as_ada = Api(at_work.admin_port, provider.jwt(sub=ADA, name="Ada Lovelace", **groups))
    as_ben = Api(at_work.admin_port, provider.jwt(sub=BEN, name="Ben Okri", **groups))
    renamed = Api(at_work.admin_port, provider.jwt(sub=ADA, name="Somebody Else", **groups))
    asked = as_ada.call("POST", "tokens", {"name": "hers", "role": "admin", "owner": "ADA  lovelace"})
    assert asked.status == 202
    assert asked.body["requested_owner"] == f"Ada Lovelace <{provider.issuer} {ADA}>"
    assert asked.body["requested_by"] == f"person:Ada Lovelace <{provider.issuer} {ADA}>"
    approval = f"change-requests/{asked.body['id']}:approve"
    assert renamed.call("POST", approval, {}).status == 403
    with Person(chromium, at_work) as person:
        page = sign_in(person, provider, ADA, f"/changes/{asked.body['id']}")
        assert "You requested it" in page.inner_text("main")
        assert f"{ADA}>" not in page.inner_text("main")
    done = as_ben.call("POST", approval, {})
    assert done.status == 200, done
    by_token = Api(at_work.admin_port, done.body["result"]["token_part"] + asked.body["token_part"])
    again = as_ada.call("POST", "tokens", {"name": "another", "role": "viewer", "owner": "x"})
    refused = by_token.call("POST", f"change-requests/{again.body['id']}:approve", {})
    assert refused.status == 403, refused
    assert "requested it" in refused.body["detail"]


def test_one_person_cannot_approve_their_own_request_by_link_token_and_sign_in_together(
    tmp_path: Path, chromium: Browser, provider: OpenIdProvider
) -> None:
    later = config_of(provider, tmp_path)
    config = {key: value for key, value in later.items() if key != "login"}
    with Moatdns(tmp_path, config, with_api=True) as moatdns, Person(chromium, moatdns) as person:
        first = moatdns.api
        page = person.page
        page.goto(line_of(moatdns, "login-link"))
        page.wait_for_url(f"{person.base}/")
        unused = line_of(moatdns, "login-link").rpartition("#")[2]
        page = person.go("/tokens")
        page.get_by_label("Name", exact=True).fill("hers")
        page.get_by_role("group", name="Roles").locator("[value=admin]").check()
        page.get_by_label("Owner").fill("ada@corp.example")
        page.get_by_role("button", name="Ask for it").click()
        wait_for_text(page, "You requested it")
        approval = f"change-requests/{page.url.rpartition('/')[2]}:approve"
        refused = first.call("POST", approval, {})
        assert (refused.status, "another owner has to approve it" in refused.body["detail"]) == (403, True)
        ben = Api(
            moatdns.admin_port,
            line_of(moatdns, *("token", "create", "--name", "ben", "--role", "admin", "--owner", "Ben")),
        )

        moatdns.reload(later)
        wait_until(lambda: "Sign in with" in Api(moatdns.admin_port, None).call("GET", "/login").body, "the way in")
        as_ada = Api(moatdns.admin_port, provider.jwt(sub=ADA, name="Ada Lovelace", groups=["dns-admins"]))
        assert as_ada.call("POST", approval, {}).status == 403
        page = sign_in(person, provider, ADA, f"/changes/{approval[16:-8]}")
        assert "cannot be told apart from who did" in page.inner_text("main")
        assert not page.get_by_role("button", name="Approve").count()

        off = run(moatdns, "login-link")
        assert (off.returncode, off.stdout, "login.oidc.issuer is set" in off.stderr) == (1, "", True)
        assert send_form(moatdns, "/login/link", {"link": unused})[0] == 404
        done = ben.call("POST", approval, {})
        assert done.status == 200, done


def test_an_address_that_owns_a_token_is_the_one_who_signs_in_with_it(tmp_path: Path, provider: OpenIdProvider) -> None:
    with Moatdns(tmp_path, config_of(provider, tmp_path), with_api=True) as moatdns:
        words = ("token", "create", "--name", "ada", "--role", "admin", "--owner", "Ada@Corp.example")
        by_token = Api(moatdns.admin_port, line_of(moatdns, *words))
        claims = {"sub": ADA, "name": "Countess of Lovelace", "groups": ["dns-admins"]}
        as_ada = Api(moatdns.admin_port, provider.jwt(**claims, email="ada@corp.example"))
        nameless = Api(moatdns.admin_port, provider.jwt(**{**claims, "name": None}))
        asked = as_ada.call("POST", "tokens", {"name": "hers", "role": "admin", "owner": "x"})
        assert asked.status == 202, asked
        for other in (by_token, nameless):
            assert other.call("POST", f"change-requests/{asked.body['id']}:approve", {}).status == 403
        mine = by_token.call("POST", "tokens", {"name": "mine", "role": "admin", "owner": "x"})
        for other in (as_ada, nameless):
            assert other.call("POST", f"change-requests/{mine.body['id']}:approve", {}).status == 403
        as_ben = Api(moatdns.admin_port, provider.jwt(sub=BEN, name="Ben Okri", groups=["dns-admins"]))
        assert as_ben.call("POST", f"change-requests/{mine.body['id']}:approve", {}).status == 200


def test_wrong_jwts_are_refused_and_counted_by_address(
    tmp_path: Path, chromium: Browser, provider: OpenIdProvider
) -> None:
    with Moatdns(tmp_path, config_of(provider, tmp_path), with_api=True) as moatdns:
        token = moatdns.api.token
        wrong = Api(moatdns.admin_port, provider.jwt(aud="another", groups=["dns-admins"]))
        assert wrong.call("GET", "groups").status == 401
        good = Api(moatdns.admin_port, provider.jwt(groups=["staff"]))
        assert good.get("groups")["items"]
        assert good.call("POST", "cache:flush").status == 403
        for _ in range(12):
            status = wrong.call("GET", "groups").status
        assert status == 429
        assert good.get("groups")["items"]
        assert Api(moatdns.admin_port, token).get("groups")["items"]


def test_a_session_ends_with_its_token_and_outlives_the_provider(tmp_path: Path, chromium: Browser) -> None:
    with OpenIdProvider(token_seconds=6.0) as short:
        short.person("viewer", name="Vera", groups=["staff"])
        config = config_of(short, tmp_path)
        with Moatdns(tmp_path, config, with_api=True) as moatdns, Person(chromium, moatdns) as person:
            page = sign_in(person, short, "viewer")
            began = time.monotonic()
            short.leave()
            person.go("/groups")
            assert page.url.endswith("/groups")
            wait_until(lambda: "/login" in person.go("/groups").url, "the session is over")
            assert 3.0 < time.monotonic() - began < 15.0


class _Hook(BaseHTTPRequestHandler):
    """Takes events."""

    came: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        """Keep what comes."""
        self.came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as the base class has it)
        """Say nothing."""


def test_a_token_that_breaks_the_glass_is_told_once_and_a_viewers_is_not(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    hook = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{hook.server_port}/"
    hooks = [{"url": url, "secret": "what both know", "events": ["token.used"], "allow_private": True}]
    config = config_of(provider, tmp_path, webhooks=hooks, policy=OFFICE["policy"])
    with Moatdns(tmp_path, config, with_api=True) as moatdns:
        viewer = Api(moatdns.admin_port, new_token(moatdns, "viewer"))
        for _ in range(3):
            viewer.get("groups")
            moatdns.api.get("groups")
        wait_until(lambda: len(_Hook.came) > 0, "the event")
        for count, roles in enumerate(("operator", "viewer investigator"), 2):
            Api(moatdns.admin_port, new_token(moatdns, roles)).get("groups")
            wait_until(lambda: len(_Hook.came) >= count, "the other's event")  # noqa: B023
    hook.shutdown()
    hook.server_close()
    assert [event["data"]["roles"] for event in _Hook.came] == [
        ["admin", "investigator"],
        ["operator"],
        ["viewer", "investigator"],
    ]
