"""The door of the pages: who is let in, behind a proxy too, and for how long."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest

from admin_api.api.http.auth import MOST_WRONG, Throttle
from admin_api.editing.refusals import BadRequest
from admin_api.pages.login import sessions
from admin_api.store import tokens
from admin_api.store.login_links import make_link

from .browser import Browser
from .conftest import Served

WRONG = "moat_00000000_" + "A" * 43


async def guess(served: Served) -> None:
    """Send wrong tokens until there are too many of them."""
    for number in range(MOST_WRONG + 1):
        status = await served.status("GET", "lists", Authorization=f"Bearer {WRONG}")
        assert status == (401 if number < MOST_WRONG else 429)


async def log_in(served: Served, token: str, **headers: str) -> tuple[int, str]:
    """Status and cookie."""
    sent = served.session.post(served.url + "/login", data={"token": token}, headers=headers, allow_redirects=False)
    async with sent as response:
        return response.status, response.headers.get("Set-Cookie", "")


@pytest.mark.slow
async def test_guesses_of_others_at_the_same_address_lock_nobody_out(served: Served) -> None:
    await guess(served)
    assert await served.status("GET", "lists") == 200
    assert (await log_in(served, served.tokens["viewer"]))[0] == 303
    assert (await log_in(served, WRONG))[0] == 429
    assert await served.status("GET", "lists", Authorization=f"Bearer {WRONG}") == 429


@pytest.mark.slow
async def test_in_a_flood_of_guesses_a_token_that_was_good_before_is_good_until_it_is_revoked(served: Served) -> None:
    assert await served.status("GET", "lists", role="viewer") == 200
    await guess(served)
    for number in range(50):
        assert await served.status("GET", "lists", Authorization=f"Bearer {WRONG[:-2]}{number:02}") == 429
        assert await served.status("GET", "lists", role="viewer") == 200
    async with served.store.change("test") as change:
        await tokens.revoke(change, "a-viewer")
    assert await served.status("GET", "lists", role="viewer") == 429


async def by_link(served: Served, text: str, **headers: str) -> tuple[int, str]:
    """Status and page of a link that is sent to be redeemed."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    form = served.session.post(f"{served.url}/login/link", data={"link": text}, headers=sent, allow_redirects=False)
    async with form as response:
        return response.status, await response.text()


async def link(served: Served, *, is_for_here: bool = True) -> str:
    async with served.store.change("command line") as change:
        return (await make_link(change, is_for_here=is_for_here, by="root"))[1]


@pytest.mark.slow
async def test_guesses_of_others_lock_no_good_link_out_and_fill_no_trail(served: Served) -> None:
    text = await link(served)
    await guess(served)
    for _ in range(3):
        assert (await by_link(served, f"{text[:-4]}AAAA"))[0] == 429
    rows = (await served.get("audit?action=refuse"))["items"]
    assert rows == []
    assert (await by_link(served, text))[0] == 303
    assert (await by_link(served, text))[0] == 429


@pytest.mark.parametrize(
    "said",
    [
        {"Forwarded": "for=192.0.2.7"},
        {"X_Forwarded_For": "192.0.2.7"},
        {"Via": "1.1 proxy"},
        {"X_Real_IP": "192.0.2.7"},
    ],
)
async def test_a_link_for_this_machine_is_redeemed_by_no_proxy_on_it(served: Served, said: dict[str, str]) -> None:
    text = await link(served)
    status, page = await by_link(served, text, **said)
    assert (status, "link is for a browser on this machine" in page) == (401, True)
    status, page = await by_link(served, text, Host="moatdns.corp.example")
    assert (status, "link is for a browser on this machine" in page) == (401, True)
    assert (await by_link(served, text, Host=f"localhost:{served.port}"))[0] == 303
    assert (await by_link(served, await link(served, is_for_here=False), **said))[0] == 303


def test_tokens_that_are_not_known_are_looked_up_now_and_then_where_many_were_wrong() -> None:
    now = 100.0
    throttle = Throttle(clock=lambda: now)
    for _ in range(100):
        throttle.check_before_look("192.0.2.1", WRONG)
    for _ in range(MOST_WRONG):
        throttle.wrong("192.0.2.1", WRONG)

    def looks() -> int:
        count = 0
        with pytest.raises(BadRequest, match="too many wrong tokens"):
            for _ in range(100):
                throttle.check_before_look("192.0.2.1", WRONG)
                count += 1
        return count

    assert looks() == 10
    assert looks() == 0
    throttle.check_before_look("192.0.2.2", WRONG)
    now += 1
    assert looks() == 10


def test_no_more_tokens_are_remembered_than_there_may_be() -> None:
    now = 100.0
    throttle = Throttle(clock=lambda: now)
    for number in range(tokens.MOST_TOKENS + 1):
        throttle.good(str(number))
    for _ in range(MOST_WRONG):
        throttle.wrong("192.0.2.1", WRONG)
    for _ in range(10):
        throttle.check_before_look("192.0.2.1", WRONG)
    throttle.check_before_look("192.0.2.1", str(tokens.MOST_TOKENS))
    with pytest.raises(BadRequest):
        throttle.check_before_look("192.0.2.1", "0")


@pytest.mark.parametrize("origin", ["https", "http"])
async def test_a_session_that_begins_behind_a_proxys_tls_is_never_sent_without(served: Served, origin: str) -> None:
    host = f"127.0.0.1:{served.port}"
    status, cookie = await log_in(served, served.tokens["viewer"], Origin=f"{origin}://{host}")
    assert status == 303
    assert cookie.startswith("__Host-moatdns=") is (origin == "https")
    assert ("Secure" in cookie) is (origin == "https")
    await Browser(served, cookie.partition(";")[0]).get("/status")


async def test_one_of_two_cookies_is_enough(served: Served) -> None:
    _, cookie = await log_in(served, served.tokens["viewer"])
    await Browser(served, f"__Host-moatdns=of-earlier; {cookie.partition(';')[0]}").get("/status")


@pytest.mark.slow
async def test_a_forgotten_tab_keeps_no_session_alive(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.5)
    _, cookie = await log_in(served, served.tokens["viewer"])
    sent = {"Cookie": cookie.partition(";")[0], "HX-Request": "true"}
    statuses = []
    async with asyncio.timeout(5):
        while statuses[-1:] != [401]:
            async with served.session.get(served.url + "/status", headers=sent) as response:
                statuses.append(response.status)
    assert statuses[0] == 200


async def test_one_can_leave_while_the_store_is_away(served: Served) -> None:
    browser = await Browser.log_in(served, "viewer")
    csrf = await browser.csrf()
    served.store_access.trouble = "the disk is full"
    await browser.send("/logout", {"csrf": "A" * 43}, 403)
    _, headers = await browser.send("/logout", {"csrf": csrf}, 303)
    assert headers["Location"] == "/login"
    served.store_access.trouble = None
    _, headers = await browser.get("/status", 303)
    assert headers["Location"] == "/login?next=%2Fstatus"


@pytest.mark.parametrize(
    ("referer", "leads_to"),
    [
        ("{url}/groups/staff?x=1&y=2", "/groups/staff?x=1&y=2"),
        ("{url}", "/"),
        ("http://elsewhere.example/groups", "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
async def test_what_was_sent_after_the_end_of_a_session_is_told_to_be_undone(
    served: Served, referer: str, leads_to: str
) -> None:
    browser = Browser(served, "moatdns=of-earlier")
    _, headers = await browser.send("/tokens", {"csrf": "x"}, 303, Referer=referer.format(url=served.url))
    assert headers["Location"] == "/login?" + urlencode({"next": leads_to, "undone": "1"})
    text, _ = await browser.get(headers["Location"])
    assert "your change was not made" in text
    assert "undone" not in text.partition("<form")[2], "once is enough"
    text, _ = await browser.get("/login?next=/tokens")
    assert "not done" not in text


async def test_what_htmx_sent_after_the_end_of_a_session_is_told_to_be_undone_too(served: Served) -> None:
    browser = Browser(served, "moatdns=of-earlier")
    sent = {"HX_Request": "true", "HX_Current_URL": f"{served.url}/lists/house"}
    _, headers = await browser.send("/lists/house", {"csrf": "x"}, 401, **sent)
    assert headers["HX-Redirect"] == "/login?next=%2Flists%2Fhouse&undone=1"
