"""What may be fetched from where: addresses, redirects and bounds."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.abc import AbstractResolver

from admin_api import guarded_http
from admin_api.store.webhooks import MessageRow
from admin_api.subscriptions.fetching import FetchOrder, fetch
from admin_api.webhooks.hooks import Hook, send
from resolver.errors import FetchError
from resolver.wire.address_kinds import is_public
from tests.support import feed as served
from tests.support.feed import Feed


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::"),
        *("", "localhost", "1.2.3"),
    ],
)
def test_private_and_local_addresses_are_known_in_every_disguise(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


async def get(url: str, tmp_path: Path, **more: Any) -> Any:
    bounds = {"most_octets": 1 << 20, "timeout_seconds": 3.0, "progress": lambda *_: None, **more.pop("bounds", {})}
    return await fetch(FetchOrder(url, **more), tmp_path / "list", **bounds)


@pytest.fixture
def only_one_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.2 stands for the open Internet."""
    monkeypatch.setattr(guarded_http, "is_public", lambda address: address == "127.0.0.2")


@pytest.mark.usefixtures("only_one_is_public")
@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://[::1]:{}/", "http://2130706433:{}/"]
)
async def test_a_redirect_to_a_private_address_is_not_followed(tmp_path: Path, to: str) -> None:
    with Feed(b"secret.example") as private, Feed(host="127.0.0.2") as public:
        public.behave = served.redirect(to.format(private.port))
        with pytest.raises(FetchError, match=r"no public address|cannot be fetched"):
            await get(public.url, tmp_path)
        assert (len(public.requests), private.requests) == (1, [])


class Turncoat(AbstractResolver):
    """A name whose address is public when it is first looked up, and private ever after."""

    looked_up = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        Turncoat.looked_up += 1
        address = "127.0.0.2" if Turncoat.looked_up == 1 else "127.0.0.1"
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.usefixtures("only_one_is_public")
async def test_the_address_that_was_checked_is_the_one_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_http, "ThreadedResolver", Turncoat)
    monkeypatch.setattr(Turncoat, "looked_up", 0)
    with Feed(b"a.example.com\n", host="127.0.0.2") as public, Feed(b"secret.example", port=public.port) as private:
        url = f"http://turncoat.example:{public.port}/"
        assert await get(url, tmp_path)
        assert (tmp_path / "list").read_bytes() == b"a.example.com\n"
        with pytest.raises(FetchError, match="no public address"):
            await get(url, tmp_path)
        assert (len(public.requests), private.requests) == (1, [])
    assert Turncoat.looked_up == 2


@pytest.mark.usefixtures("only_one_is_public")
async def test_whether_something_listens_at_a_private_address_is_not_told(tmp_path: Path) -> None:
    told = []
    with Feed(b"secret.example") as private:
        for port in (private.port, 1):
            for host in ("127.0.0.1", "[::1]", "localhost"):
                with pytest.raises(FetchError) as error:
                    await get(f"http://{host}:{port}/", tmp_path)
                told.append(str(error.value))
        assert private.requests == []
    assert len(set(told)) == 1


@pytest.mark.usefixtures("only_one_is_public")
async def test_a_redirect_within_the_open_internet_is_followed(tmp_path: Path) -> None:
    with Feed(b"a.example.com\n", host="127.0.0.2") as last, Feed(host="127.0.0.2") as first:
        first.behave = served.redirect(last.url)
        fetched = await get(first.url, tmp_path)
    assert (tmp_path / "list").read_bytes() == b"a.example.com\n"
    assert fetched.etag


async def test_a_copy_that_is_up_to_date_is_not_fetched_again(tmp_path: Path) -> None:
    with Feed(b"a.example.com\n") as feed:
        fetched = await get(feed.url, tmp_path, allow_private=True)
        assert await get(feed.url, tmp_path, allow_private=True, etag=fetched.etag) is None


async def test_a_host_that_is_not_there_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot be reached"):
        await get("http://127.0.0.1:1/", tmp_path, allow_private=True)
    with pytest.raises(FetchError, match=r"has no address|public address"):
        await get("http://nowhere.invalid/", tmp_path)


async def test_encodings_that_were_not_asked_for_are_refused(tmp_path: Path) -> None:
    with Feed(b"x") as feed:
        feed.behave = lambda _, handler: served.send(handler, 200, b"x", Content_Encoding="br")
        with pytest.raises(FetchError, match="encoded as 'br'"):
            await get(feed.url, tmp_path, allow_private=True)


_WRITINGS_OF_A_PRIVATE_ADDRESS = [
    *("１２７.０.７７.１", "127。0。77。1", "127．0｡77.1", "①②⑦.0.77.1", "𝟙𝟚𝟟.0.77.1", "127.0.77.1."),
    *("0x7f.0.77.1", "0177.0.77.1", "2130725121", "127.19713", "０x7f.0.77.1", "127.0.0x4d.1", "%31%32%37.0.77.1"),
    *("127%2e0.77.1", "[::ffff:127.0.77.1]", "[::ffff:7f00:4d01]", "[0:0:0:0:0:FFFF:127.0.77.1]"),
    *(
        "localhost",
        "localhost.",
        "LOCALHOST",
        "ｌｏｃａｌｈｏｓｔ",
        "ip6-localhost",
        "foo.localhost",
        "[::1]",
        "[::1%25lo]",
    ),
    *("0", "0.0.0.0", "[::]", "user@127.0.77.1", "user:word@127.0.77.1", "lists.example@127.0.77.1"),
]


@pytest.mark.parametrize("host", _WRITINGS_OF_A_PRIVATE_ADDRESS)
async def test_a_private_address_is_not_asked_however_it_is_written(tmp_path: Path, host: str) -> None:
    with Feed(b"secret.example", host="127.0.77.1") as private:
        url = f"http://{host}:{private.port}/"
        with pytest.raises(FetchError, match=r"no public address|cannot be fetched"):
            await get(url, tmp_path)
        hook = Hook(url=url, secret="s" * 16, events=("test",), allow_private=False)
        why = await send(hook, MessageRow(1, hook.key, "msg_1", "{}", 0, datetime.now(UTC)))
        assert "no public address" in (why or "") or "cannot be fetched" in (why or "")
        assert private.requests == []


@pytest.mark.parametrize("host", ["１２７.０.７７.１", "127。0。77。1", "①②⑦.0.77.1"])
async def test_where_it_is_allowed_an_address_is_asked_however_it_is_written(tmp_path: Path, host: str) -> None:
    with Feed(b"a.example.com\n", host="127.0.77.1") as private:
        assert await get(f"http://{host}:{private.port}/", tmp_path, allow_private=True)


@pytest.mark.usefixtures("only_one_is_public")
@pytest.mark.parametrize("host", [host for host in _WRITINGS_OF_A_PRIVATE_ADDRESS if "@" not in host])
async def test_a_redirect_to_a_private_address_is_not_followed_however_it_is_written(tmp_path: Path, host: str) -> None:
    with Feed(b"secret.example", host="127.0.77.1") as private, Feed(host="127.0.0.2") as public:
        public.behave = served.redirect(f"http://{quote(host, safe='[]:%')}:{private.port}/")
        with pytest.raises(FetchError, match=r"no public address|cannot be fetched|no URL of http"):
            await get(public.url, tmp_path)
        assert (len(public.requests), private.requests) == (1, [])


@pytest.mark.usefixtures("only_one_is_public")
@pytest.mark.parametrize("host", ["127.0.77.1", "::ffff:127.0.77.1", "::1", "0.0.0.0", "fe80::1%lo"])
async def test_no_socket_is_made_to_a_private_address_whoever_names_it(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the resolver's own judgement were passed by."""

    async def resolve(self: AbstractResolver, name: str, port: int = 0, family: int = socket.AF_INET) -> Any:
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [{"hostname": name, "host": host, "port": port, "family": kind, "proto": 0, "flags": 0}]

    monkeypatch.setattr(guarded_http._Within, "resolve", resolve)
    with Feed(b"secret.example", host="127.0.77.1") as private:
        with pytest.raises(FetchError, match="no public address"):
            await get(f"http://name.example:{private.port}/", tmp_path)
        assert private.requests == []


async def test_that_a_name_is_not_there_is_told_as_what_is_there_and_private(tmp_path: Path) -> None:
    told = set()
    for host in ("localhost", "nowhere.invalid"):
        with pytest.raises(FetchError) as error:
            await get(f"http://{host}:1/", tmp_path)
        told.add(str(error.value))
    assert len(told) == 1


async def test_a_304_of_another_copy_is_asked_again_without_conditions(tmp_path: Path) -> None:
    def always_304(etag: str | None) -> Any:
        def behave(feed: Feed, handler: Any) -> None:
            if "if-none-match" in feed.requests[-1] or "if-modified-since" in feed.requests[-1]:
                served.send(handler, 304, b"", **({"ETag": etag} if etag else {}))
            else:
                served.send(handler, 200, b"new.example.com\n", ETag='"new"')

        return behave

    with Feed() as feed:
        for etag in ('"new"', 'W/"new"', '"OLD"', "old", '"old', None):
            feed.requests.clear()
            feed.behave = always_304(etag)
            fetched = await get(feed.url, tmp_path, allow_private=True, etag='"old"', last_modified="yesterday")
            assert (fetched.etag, len(feed.requests)) == ('"new"', 2), etag
            assert (tmp_path / "list").read_bytes() == b"new.example.com\n"
        for etag in ('"old"', 'W/"old"'):
            feed.requests.clear()
            feed.behave = always_304(etag)
            assert await get(feed.url, tmp_path, allow_private=True, etag='"old"') is None
            assert len(feed.requests) == 1


async def test_a_304_with_another_date_is_asked_again_without_conditions(tmp_path: Path) -> None:
    def answers(dates: dict[str, str]) -> Any:
        def behave(feed: Feed, handler: Any) -> None:
            if "if-modified-since" in feed.requests[-1]:
                served.send(handler, 304, b"", **dates)
            else:
                served.send(handler, 200, b"new.example.com\n")

        return behave

    before, later = "Mon, 02 Nov 2026 10:00:00 GMT", "Tue, 03 Nov 2026 10:00:00 GMT"
    with Feed() as feed:
        for dates, is_ours in (({}, True), ({"Last-Modified": before}, True), ({"Last-Modified": later}, False)):
            feed.behave = answers(dates)
            fetched = await get(feed.url, tmp_path, allow_private=True, last_modified=before)
            assert (fetched is None) is is_ours


async def test_a_304_to_what_was_asked_without_conditions_is_an_error(tmp_path: Path) -> None:
    with Feed() as feed:
        feed.behave = lambda _, handler: served.send(handler, 304, b"", ETag='"other"')
        for etag, asked in ((None, 1), ('"ours"', 2)):
            feed.requests.clear()
            with pytest.raises(FetchError, match="304"):
                await get(feed.url, tmp_path, allow_private=True, etag=etag)
            assert len(feed.requests) == asked
