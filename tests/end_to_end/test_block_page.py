"""The block page as it is used: curl and Chromium come to it, an operator approves, and dig gets the real answer."""

from __future__ import annotations

import http.server
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.support.browser import chromium
from tests.support.clients import dig
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, free_port, program, wait_until
from tests.support.unbound import Unbound

WEB = "127.0.0.53"
BROWSER, ANA, STRANGER = "127.0.0.1", "127.0.0.7", "127.0.2.1"
SEEN = ("claude.ai", "perplexity.ai", "house.example", "chatgpt.com")
REQUEST_PATH = "/request-an-exemption"


@pytest.fixture(scope="module")
def web_port() -> int:
    """Where the block page listens."""
    return free_port()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, world: Unbound, web_port: int) -> Iterator[Moatdns]:
    """A server whose blocked names lead to its block page."""
    config = {
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "clients": {"allow": ["127.0.0.0/24"]},
        "block_page": {"listen": [f"{WEB}:{web_port}"], "contact": "it@corp.example"},
        "policy": {
            "response": {"mode": "address", "ipv4": WEB, "ttl_seconds": 1},
            "lists": [{"name": "house", "block": ["house.example"]}],
            "groups": [{"name": "staff", "networks": [f"{ANA}/32"]}],
        },
    }
    with Moatdns(tmp_path_factory.mktemp("block_page"), config, with_api=True) as moatdns:
        assert moatdns.api.get("status")
        yield moatdns


EVIL = f"""
<script>async function read(url) {{ try {{ return await (await fetch(url)).text() }} catch {{ return "no" }} }}</script>
<iframe src="http://house.example/"></iframe>
<form method="post" action="http://house.example{REQUEST_PATH}">
<input name="who" value="x"><input name="reason" value="y"><input name="seconds" value="3600"></form>
"""


@pytest.fixture(scope="module")
def evil_port() -> Iterator[int]:
    """A page of somebody else's, in the same network."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.66", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(web_port: int, evil_port: int) -> Iterator[Browser]:
    """A browser whose blocked names lead to the block page, as the resolver has them."""
    rules = ",".join([f"MAP evil.example 127.0.0.66:{evil_port}", *(f"MAP {name} {WEB}:{web_port}" for name in SEEN)])
    with chromium(f"--host-resolver-rules={rules}") as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab of it, which knows nothing of earlier ones."""
    with browser.new_context() as context:
        yield context.new_page()


def curl(web_port: int, host: str, *arguments: str, client: str = ANA, path: str = "/") -> tuple[int, str]:
    """Exit status of curl, and what it printed: the body, and the status behind it."""
    done = subprocess.run(
        [
            program("curl"),
            *("--silent", "--max-time", str(PATIENCE_SECONDS), "--interface", client, "--write-out", "%{http_code}"),
            *("--connect-to", f"::{WEB}:{web_port}", *arguments, f"http://{host}{path}"),
        ],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def requests_of(office: Moatdns, client: str) -> list[dict[str, Any]]:
    """What was asked for from an address."""
    return [row for row in office.api.get("exemptions")["items"] if row["subject"] == {"client": client}]


def test_curl_is_told_which_service_is_blocked_for_which_group(office: Moatdns, web_port: int) -> None:
    assert dig(office.port, "-b", ANA, "claude.ai").rdata == [WEB]
    status, text = curl(web_port, "claude.ai", path="/v1/messages?x=1")
    assert status == 0
    assert text.endswith("403")
    assert "<strong>Claude</strong> (Anthropic)" in text
    assert "<strong>staff</strong>" in text
    status, text = curl(web_port, "plain.example")
    assert (status, text[-3:]) == (0, "421")


def test_a_stranger_is_let_go_without_a_word(office: Moatdns, web_port: int) -> None:
    status, text = curl(web_port, "claude.ai", client=STRANGER)
    assert status in (52, 56)  # an empty reply, or a reset
    assert text == "000"


def test_what_is_asked_for_by_curl_is_approved_and_then_dig_gets_the_real_answer(
    office: Moatdns, web_port: int
) -> None:
    _, text = curl(web_port, "claude.ai")
    token = re.search(r'name="token" value="([^"]+)"', text)
    assert token
    form = ("who=Ana Ruiz", "reason=a comparison", "seconds=28800", f"token={token[1]}")
    fields = [part for text in form for part in ("--data-urlencode", text)]
    assert curl(web_port, "claude.ai", *fields, path=REQUEST_PATH) == (0, "303")
    (row,) = requests_of(office, ANA)
    assert (row["status"], row["owner"], row["requested_by"]) == ("pending", "Ana Ruiz (not verified)", "block-page")
    assert row["id"] in curl(web_port, "claude.ai")[1]
    assert dig(office.port, "-b", ANA, "claude.ai").rdata == [WEB]

    office.api.post(f"exemptions/{row['id']}:approve", {}, status=200)
    wait_until(lambda: dig(office.port, "-b", ANA, "claude.ai").rdata == ["198.51.100.1"], "the real answer")
    assert dig(office.port, "-b", BROWSER, "claude.ai").rdata == [WEB]
    assert row["id"] in curl(web_port, "claude.ai")[1]
    history = office.api.get(f"exemptions/{row['id']}")["history"]
    assert [(event["action"], event["actor"]) for event in history] == [
        ("request", "block-page"),
        ("approve", "token:first"),
    ]


def test_a_person_asks_in_a_browser_and_sees_how_it_stands(office: Moatdns, tab: Page) -> None:
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("requestfailed", lambda request: complaints.append(request.url))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    response = tab.goto("http://perplexity.ai/some/chat")
    assert response is not None
    assert response.status == 403
    assert tab.title() == "perplexity.ai is blocked"
    assert "This name belongs to Perplexity, which" in tab.inner_text("main")
    assert "for the group default" in tab.inner_text("main")
    tab.get_by_label("Your name or mail address").fill("Ben <b>Okoro</b>")
    tab.get_by_label("What you need it for").fill("a\nreason")
    tab.get_by_label("For how long, from approval").select_option(label="1 day")
    tab.get_by_role("button", name="Send the request").click()
    tab.get_by_role("status").wait_for()
    assert "An exemption was requested" in tab.inner_text("[role=status]")
    (row,) = requests_of(office, BROWSER)
    assert (row["status"], row["scope"], row["owner"]) == (
        "pending",
        ["perplexity/perplexity"],
        "Ben <b>Okoro</b> (not verified)",
    )
    assert row["reason"] == "a reason (asked on the block page, for perplexity.ai)"
    assert row["id"] in tab.inner_text("[role=status]")
    assert asked == ["http://perplexity.ai/some/chat", f"http://perplexity.ai{REQUEST_PATH}", "http://perplexity.ai/"]

    office.api.post(f"exemptions/{row['id']}:approve", {}, status=200)
    response = tab.reload()
    assert response is not None
    assert response.status == 421
    assert "lets you through until" in tab.inner_text("[role=status]")
    wait_until(lambda: dig(office.port, "-b", BROWSER, "perplexity.ai").rdata == ["198.51.100.7"], "the real answer")
    told = [text for text in complaints if "403" not in text and "421" not in text]
    assert not told, "the browser has nothing to complain of but the status"


def test_a_page_of_somebody_else_can_neither_frame_it_nor_read_it_nor_send_its_form(office: Moatdns, tab: Page) -> None:
    before = office.api.get("exemptions")["items"]
    tab.goto("http://evil.example/")
    tab.wait_for_load_state("networkidle")
    framed = next(frame for frame in tab.frames if frame != tab.main_frame)
    assert "house.example is blocked" not in framed.evaluate("() => document.body.innerText")
    assert tab.evaluate("() => read('http://house.example/')") == "no"
    sent = []
    tab.on("response", lambda response: sent.append((response.url, response.status)))
    with tab.expect_navigation():
        tab.evaluate("() => document.forms[0].submit()")
    assert sent[0] == (f"http://house.example{REQUEST_PATH}", 403)
    assert office.api.get("exemptions")["items"] == before


@pytest.mark.parametrize("url", ["https://house.example/", "http://chatgpt.com/"])
def test_over_https_there_is_no_page_nor_for_names_that_browsers_know_to_be_so(
    office: Moatdns, tab: Page, url: str
) -> None:
    with pytest.raises(Error, match="net::ERR_SSL_PROTOCOL_ERROR"):
        tab.goto(url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_in_light_and_dark(office: Moatdns, tab: Page, scheme: Any) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": 320, "height": 640})
    tab.goto("http://house.example/")
    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    text, back = (tab.evaluate(f"() => getComputedStyle(document.body).{key}") for key in ("color", "backgroundColor"))
    assert contrast(text, back) >= 7  # WCAG 2.2, 1.4.6
    for selector, least in ((".hint", 4.5), ("dt", 4.5), ("button", 4.5), ("main > p a", 4.5)):
        colour = tab.locator(selector).first.evaluate("node => getComputedStyle(node).color")
        own = "node => getComputedStyle(node.closest('button, section') ?? document.body).backgroundColor"
        assert contrast(colour, tab.locator(selector).first.evaluate(own)) >= least, selector
    for box in (tab.locator(f"form {one}").bounding_box() for one in ("#who", "#reason", "#seconds", "button")):
        assert box is not None
        assert box["height"] >= 44  # WCAG 2.2, 2.5.5
    names = tab.locator("form").aria_snapshot()
    for label in ('textbox "Your name or mail address"', 'textbox "What you need it for"', 'combobox "For how long'):
        assert label in names


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two opaque colours, as WCAG reckons it."""

    def luminance(colour: str) -> float:
        parts = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_page_goes_on_after_a_reload_with_what_the_config_says_now(office: Moatdns, web_port: int) -> None:
    config = {**office._config, "block_page": {**office._config["block_page"], "contact": "the help desk"}}
    assert office.reload(config)["event"] == "reloaded"
    wait_until(lambda: "Contact the help desk" in curl(web_port, "house.example")[1], "the new contact")


def test_the_metrics_show_what_the_page_did_and_refused(office: Moatdns, web_port: int) -> None:
    curl(web_port, "house.example")
    curl(web_port, "house.example", client=STRANGER)
    text = office.api.call("GET", "/metrics").body
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(found['moatdns_block_page_total{what="blocked"}']) >= 1
    assert float(found['moatdns_dropped_total{what="block_page_strangers"}']) >= 1
    for gauge in ("block_page_connections", "admin_connections", "exemptions", "leases", "pauses"):
        assert f"moatdns_{gauge}" in found
