"""What attackers of the admin API try: guessing tokens, pages of elsewhere in an admin's browser, paths."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from admin_api.api.app import MOST_CALLS
from admin_api.api.http import connections
from admin_api.api.http.auth import MOST_WRONG, Throttle
from admin_api.editing.refusals import BadRequest
from admin_api.pages.shared import forms

from .conftest import Served

WRONG = "Bearer moat_00000000_" + "A" * 43
ELSEWHERE = "https://evil.example"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("authorization", [None, WRONG])
async def test_a_call_without_a_good_token_is_refused_before_its_body_is_read(
    served: Served, authorization: str | None
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST /api/v1/lists HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Type: application/json\r\n"
    token = f"Authorization: {authorization}\r\n" if authorization else ""
    writer.write(f"{head}{token}Content-Length: 16000000\r\n\r\n".encode())  # and not one octet of it comes
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401 ")
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def begin_login(served: Served, length: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for the door with a body that is announced alone; the server waits for it when this returns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nExpect: 100-continue\r\n"
    writer.write(f"{head}Content-Type: {FORM}\r\nContent-Length: {length}\r\n\r\n".encode())
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer


async def test_strangers_who_log_in_slowly_take_no_turns_of_others(served: Served) -> None:
    slow = [await begin_login(served, 16_000_000) for _ in range(MOST_CALLS + 1)]
    async with asyncio.timeout(3):
        assert await served.status("GET", "lists") == 200
    for _, writer in slow:
        writer.close()


async def test_a_stranger_who_logs_in_slowly_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "LOGIN_SECONDS", 0.2)
    reader, writer = await begin_login(served, 100)
    writer.write(b"token=")
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_stranger_who_sends_much_to_the_door_is_not_read_to_the_end(served: Served) -> None:
    reader, writer = await begin_login(served, 16_000_000)
    writer.write(b"token=" + b"x" * forms.LOGIN_BYTES)
    assert (await asyncio.wait_for(reader.readline(), 3)).startswith(b"HTTP/1.1 413 ")
    writer.close()


@pytest.mark.slow
async def test_of_too_many_connections_those_that_log_in_slowly_are_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    slow = [await begin_login(served, 100) for _ in range(10)]
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(slow[0][0].read(1), 4) == b""
    for _, writer in slow:
        writer.close()


@pytest.mark.parametrize("sent", [b"token=%ff", b"token=\xff", b"&".join([b"a=b"] * 11)])
async def test_what_is_no_form_opens_no_door(served: Served, sent: bytes) -> None:
    async with served.call("POST", "/login", sent, role=None, Content_Type=FORM) as response:
        assert response.status == 400


async def test_a_form_that_does_not_come_is_told_in_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "FORM_SECONDS", 0.2)
    login = served.session.post(served.url + "/login", data={"token": served.tokens["admin"]}, allow_redirects=False)
    async with login as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST /tokens HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nCookie: {cookie}\r\n"
    writer.write(f"{head}Content-Type: {FORM}\r\nContent-Length: 100\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
@pytest.mark.parametrize("path", ["lists", "/", "/health", "/openapi.json"])
async def test_pages_of_elsewhere_are_let_in_by_no_header(served: Served, method: str, path: str) -> None:
    asked = {"Origin": ELSEWHERE, "Access_Control_Request_Method": "POST"}
    async with served.call(method, path, role=None, **asked) as response:
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]
        assert response.status in ((401, 404, 405) if method != "GET" else (200, 401, 404))
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_what_a_form_of_elsewhere_can_send_changes_nothing(served: Served, kind: str) -> None:
    body = b'{"name": "planted", "block": ["a.example.com"]}'
    assert await served.status("POST", "lists", body, Content_Type=kind, Origin=ELSEWHERE) == 415
    assert await served.status("GET", "lists/planted") == 404


def test_a_host_with_a_whole_network_of_addresses_is_locked_out_by_it() -> None:
    now = 100.0
    throttle = Throttle(clock=lambda: now)
    for number in range(MOST_WRONG):
        throttle.wrong(f"2001:db8:0:1::{number:x}", WRONG)
    with pytest.raises(BadRequest, match="too many wrong tokens"):
        throttle.check("2001:db8:0:1:ffff::1")
    throttle.check("2001:db8:0:2::1")
    for _ in range(MOST_WRONG):
        throttle.wrong("192.0.2.1", WRONG)
    with pytest.raises(BadRequest, match="too many wrong tokens"):
        throttle.check("::ffff:192.0.2.1")
    throttle.check("192.0.2.2")
    now += 61
    throttle.check("192.0.2.1")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/static/../admin.token",
            "/..%2fadmin.token",
            "//etc/passwd",
        ),
        *("/api/v1/../../admin.token", "/admin.token", "/static/%00", "/%5c..%5cadmin.token"),
    ],
)
async def test_no_path_leads_to_a_file(served: Served, path: str) -> None:
    (served.store_folder / "admin.token").write_text("secret of the first start")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nConnection: close\r\n\r\n".encode())
    said = await asyncio.wait_for(reader.read(), 5)
    assert int(said.split()[1]) in (400, 401, 404)
    assert b"secret" not in said
    assert b"root:" not in said
    writer.close()


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "a\\b", ".hidden", "a\x00b", "con fusing", "x" * 200])
async def test_names_that_could_be_paths_are_no_names(served: Served, name: str) -> None:
    assert await served.status("POST", "lists", {"name": name, "block": ["a.example.com"]}) == 422
